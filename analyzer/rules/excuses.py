"""`unless` that surely always applies, or never does."""

from analyzer.kinds.after_expect import AfterExpect
from analyzer.kinds.after_never import AfterNever
from analyzer.kinds.after_next import AfterNext
from analyzer.kinds.count import Count
from analyzer.kinds.either import Either
from analyzer.kinds.order import Order
from analyzer.kinds.together import Together
from analyzer.rules.checker import Checker
from analyzer.rules.named import names_in, shown
from analyzer.rules.rule import Names, Rule


def warn_of_excuses(rule: Rule, begins: Names, checker: Checker) -> None:
    """Notes what is certain from the rule alone. What a condition narrows is not certain."""
    options = rule.options
    written = options.written
    if not options.unless or options.unless_where is not None or written is None:
        return
    unless = written.data.get("unless") if isinstance(written.data, dict) else None
    places = dict(names_in(unless))
    for names, what in _certain(rule, begins):
        for name in options.unless:
            if name in names and name in places:
                checker.warn(places[name], f"`unless`: {shown(name)} {what}")
                break


def _certain(rule: Rule, begins: Names) -> list[tuple[frozenset[str], str]]:
    """Of which names in `unless` what must be said."""
    unless = frozenset(rule.options.unless)
    if not getattr(rule, "trigger", ()) and begins and unless >= set(begins):
        what = "begins the flow, and so comes first in each: this never finds anything"
        return [(frozenset(begins), what)]
    if isinstance(rule, AfterNever):
        what = "is forbidden, and its coming excuses it: it is never found"
        return [(unless & set(rule.never), what)]
    if isinstance(rule, Order):
        what = "is one of those that are in order: where it comes too late, that excuses it"
        return [(unless & set(rule.listed), what)]
    if isinstance(rule, Either):
        what = "is one of the two: where both come, it excuses that"
        return [(unless & set(rule.listed), what)]
    if isinstance(rule, Together):
        what = "and all others that belong together excuse what lacks: this never finds anything"
        return [(unless, what)] if unless >= set(rule.listed) else []
    if isinstance(rule, Count):
        bounded = [names for names, bounds in rule.counted if bounds.most is not None]
        counted = {name for names in bounded if unless >= set(names) for name in names}
        what = "is counted, and its coming excuses that there are too many"
        return [(unless & counted, what)]
    return _of_awaited(rule, unless)


def _of_awaited(rule: Rule, unless: frozenset[str]) -> list[tuple[frozenset[str], str]]:
    options = rule.options
    if options.such_that is not None or options.same or options.match != "any":
        return []  # one that does not fit may excuse
    without = "is what is awaited: its coming meets this, and so it excuses nothing"
    if isinstance(rule, AfterNext):
        return [(unless & set(rule.next), without)]
    if isinstance(rule, AfterExpect) and len(rule.needs) == 1:
        return [(unless & set(rule.needs[0]), without)]
    if isinstance(rule, AfterExpect):
        each = frozenset(name for need in rule.needs for name in need)
        return [(unless & each, "is awaited with others: where it comes first, they need not come")]
    return []
