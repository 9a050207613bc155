"""Every kind of expectation, by the keys that make its sentence."""

import re
from collections.abc import Callable
from decimal import Decimal

from analyzer.kinds.after_expect import AfterExpect
from analyzer.kinds.after_never import AfterNever
from analyzer.kinds.after_next import AfterNext
from analyzer.kinds.after_undo import AfterUndo
from analyzer.kinds.agree import Agree, Tolerance
from analyzer.kinds.before_require import BeforeRequire
from analyzer.kinds.count import Bounds, Count, once
from analyzer.kinds.either import Either
from analyzer.kinds.for_each import ForEach
from analyzer.kinds.handled import Handled
from analyzer.kinds.order import Order
from analyzer.kinds.together import Together
from analyzer.rules.fields import Fields
from analyzer.rules.kind import Kind
from analyzer.rules.rule import EVERY, Names, Options, Rule


def _after_expect(fields: Fields, options: Options) -> Rule | None:
    trigger, needs = fields.names("after"), fields.needs("expect")
    if not trigger or not needs:
        return None
    return AfterExpect(options, trigger, needs, fields.duration("within"))


def _after_never(fields: Fields, options: Options) -> Rule | None:
    trigger, never = fields.names("after"), fields.names("never")
    if not trigger or not never:
        return None
    return AfterNever(options, trigger, never, fields.duration("within"), fields.names("until"))


def _once(fields: Fields, options: Options) -> Rule | None:
    counted = fields.names("once")
    if not counted:
        return None
    return once(options, counted, fields.names("after"), fields.duration("within"))


def _after_next(fields: Fields, options: Options) -> Rule | None:
    trigger, next = fields.names("after"), fields.names("next")
    if not trigger or not next:
        return None
    return AfterNext(options, trigger, next, fields.duration("within"))


def _count(key: str, bounds: Callable[[int], Bounds]) -> Callable[[Fields, Options], Rule | None]:
    def build(fields: Fields, options: Options) -> Rule | None:
        counted = tuple(((name,), bounds(number)) for name, number in fields.numbers(key))
        trigger, within, by = fields.names("after"), fields.duration("within"), fields.guard("by")
        return Count(options, counted, trigger, within, by) if counted else None

    return build


def _before_require(fields: Fields, options: Options) -> Rule | None:
    target, require = fields.names("before"), fields.names("require")
    if not target or not require:
        return None
    unless = fields.get("unless")
    if unless is not None:
        what = "`unless` does not go with `before`: name what else prepares it in `require`"
        fields.checker.error(unless.place, what)
    return BeforeRequire(options, target, require, fields.duration("within"))


def _listed(fields: Fields, key: str) -> Names:
    """Names of which there must be two at least."""
    value, names = fields.get(key), fields.names(key)
    if value is not None and len(names) == 1:
        fields.checker.error(value.place, f"`{key}` needs two names or more")
        return ()
    return names


def _order(fields: Fields, options: Options) -> Rule | None:
    listed = _listed(fields, "order")
    return Order(options, listed) if listed else None


def _together(fields: Fields, options: Options) -> Rule | None:
    listed = _listed(fields, "together")
    return Together(options, listed, fields.duration("within")) if listed else None


def _for_each(fields: Fields, options: Options) -> Rule | None:
    path, by = fields.path("for_each"), fields.guard("by")
    trigger, expected = fields.names("after"), fields.names("expect")
    if path is None or by is None or not trigger or not expected:
        return None
    return ForEach(options, path, trigger, expected, by, fields.duration("within"))


def _agree(fields: Fields, options: Options) -> Rule | None:
    path = fields.guard("agree")
    listed = _listed(fields, "across") if "across" in fields else EVERY
    if path is None or not listed:
        return None
    return Agree(options, tuple((name, path) for name in listed), _tolerance(fields))


def _across(fields: Fields, options: Options) -> Rule | None:
    value, paths = fields.get("across"), fields.guards("across")
    if value is not None and isinstance(value.data, dict) and len(value.data) == 1:
        fields.checker.error(value.place, "`across` needs two names or more")
    return Agree(options, paths, _tolerance(fields)) if len(paths) > 1 else None


def _tolerance(fields: Fields) -> Tolerance | None:
    value = fields.get("tolerance")
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(\s*%)?", str(value.data))
    if match is None or isinstance(value.data, bool):
        fields.checker.error(value.place, "a tolerance is a number or a share: 0.01, 1%")
        return None
    amount = Decimal(match[1])
    return Tolerance(amount / 100 if match[2] else amount, of_first=bool(match[2]))


def _undo(fields: Fields, options: Options) -> Rule | None:
    trigger, pairs, how = fields.names("after"), fields.pairs("undo"), fields.get("in")
    reverse = how is not None and fields.checker.one_of(how, ["reverse"]) is not None
    if not trigger or not pairs:
        return None
    return AfterUndo(options, trigger, pairs, fields.duration("within"), reverse)


def _either(fields: Fields, options: Options) -> Rule | None:
    listed = _listed(fields, "either")
    return Either(options, listed) if listed else None


def _handled(fields: Fields, options: Options) -> Rule | None:
    trigger, groups = fields.names("handled"), fields.names("groups")
    within = fields.duration("within")
    for key in ("such_that", "same"):
        if key in fields:
            what = "has no second event that the first could be compared with: use `where`"
            place = (fields.value.keys or {}).get(key, fields.value.place)
            fields.checker.error(place, f"`{key}`: `handled` {what}")
    if not trigger or not groups or within is None:
        return None
    return Handled(options, trigger, groups, within)


KINDS: tuple[Kind, ...] = (
    Kind("expect", ("after", "expect"), ("within", "match"), _after_expect, ("missing", "late")),
    Kind("never", ("after", "never"), ("within", "until"), _after_never, ("forbidden",)),
    Kind("next", ("after", "next"), ("within",), _after_next,
         ("unexpected_next", "missing", "late")),
    Kind("once", ("once",), ("after", "within"), _once, ("repeated", "missing", "late")),
    Kind(
        "at_most", ("at_most",), ("after", "within", "by"),
        _count("at_most", lambda n: Bounds(None, n)), ("too_many",),
    ),
    Kind(
        "at_least", ("at_least",), ("after", "within", "by"),
        _count("at_least", lambda n: Bounds(n, None)), ("too_few", "late"),
    ),
    Kind(
        "exactly", ("exactly",), ("after", "within", "by"),
        _count("exactly", lambda n: Bounds(n, n)), ("too_many", "too_few", "late"),
    ),
    Kind("before", ("before", "require"), ("within",), _before_require, ("unprepared",)),
    Kind("order", ("order",), (), _order, ("out_of_order",)),
    Kind("together", ("together",), ("within",), _together, ("missing", "late")),
    Kind("for_each", ("for_each", "after", "expect", "by"), ("within", "match"), _for_each,
         ("missing", "late")),
    Kind("undo", ("after", "undo"), ("within", "in", "match"), _undo,
         ("not_undone", "out_of_order", "late")),
    Kind("agree", ("agree",), ("across", "tolerance"), _agree, ("disagree",)),
    Kind("across", ("across",), ("tolerance",), _across, ("disagree",)),
    Kind("handled", ("handled", "groups", "within"), (), _handled, ("unhandled", "late")),
    Kind("either", ("either",), (), _either, ("both", "neither", "late")),
)  # fmt: skip
