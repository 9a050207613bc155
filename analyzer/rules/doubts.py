"""What is valid, and can surely not be meant: told of a rule file without a look at any event."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass

from analyzer.guards import Guard
from analyzer.kinds.after_expect import AfterExpect
from analyzer.kinds.after_never import AfterNever
from analyzer.kinds.before_require import BeforeRequire
from analyzer.paths import ValuePath
from analyzer.rules.absences import warn_of_absences
from analyzer.rules.checker import Checker, Problem
from analyzer.rules.excuses import warn_of_excuses
from analyzer.rules.futile import warn_of_futile
from analyzer.rules.kind import Expectation
from analyzer.rules.located import Place
from analyzer.rules.named import Named, named, shown
from analyzer.rules.ruleset import RuleFile

UNJUDGED = frozenset(("name", "about", "severity", "labels", "runbook", "version"))
"""Beside what makes no difference when two are compared."""
ANY_OF = frozenset(
    (
        "trigger",
        "never",
        "until",
        "require",
        "next",
        "expected",
        "unless",
        "start",
        "end",
        "counted",
    )
)
"""Lists of names of which any is meant: their order says nothing."""
SHORTEST = 5
"""Shorter names are often alike, and both meant."""
COMPARED = 200
"""Expectations with one trigger that are compared with each other."""


def doubts(file: RuleFile) -> list[Problem]:
    """Warnings, in the order of the file."""
    checker = Checker(file.path)
    _warn_of_slips(file, checker)
    _warn_of_twins(file, checker)
    if file.written is not None:
        warn_of_absences(file.written, checker)
        warn_of_futile(file.written, checker)
    for rule in file.rules:
        warn_of_excuses(rule, file.begins, checker)
    return checker.sorted()


def _warn_of_slips(file: RuleFile, checker: Checker) -> None:
    """A name that stands nowhere else, and is a letter away from one that does."""
    found = [] if file.written is None else list(named(file.written))
    times = Counter(one.name for one in found)
    neighbours: dict[str, list[Named]] = {}
    for one in found:
        for text in _shortened(one.name):
            neighbours.setdefault(text, []).append(one)
    for one in found:
        if times[one.name] > 1 or not one.judged or len(one.name) < SHORTEST:
            continue
        near = [
            other.name
            for text in _shortened(one.name)
            for other in neighbours[text]
            if other.name != one.name
            and _a_letter_apart(one.name, other.name)
            # Of two that are judged once each, the second one is told.
            and (times[other.name] > 1 or not other.judged or _at(other.place) < _at(one.place))
        ]
        if near:
            hint = f"did you mean {shown(near[0])}?"
            checker.warn(one.place, f"{shown(one.name)} stands nowhere else in this file; {hint}")


def _at(place: Place) -> tuple[int, int]:
    return place.line, place.column


def _shortened(name: str) -> Iterator[str]:
    """Names that are a letter apart have one of these in common."""
    if SHORTEST <= len(name) <= 100:
        yield from {name, *(name[:at] + name[at + 1 :] for at in range(len(name)))}


def _a_letter_apart(one: str, other: str) -> bool:
    """One letter is another, is missing, or stands on the other side of its neighbour. What is
    counted (`step.1`, `step.2`) is told apart by it."""
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    start = min(len(one), len(other)) if start is None else start
    a, b = one[start:], other[start:]
    if (a[:1] + b[:1]).strip("0123456789") != a[:1] + b[:1]:
        return False
    swapped = a[:2] == b[:2][::-1] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or swapped


def _warn_of_twins(file: RuleFile, checker: Checker) -> None:
    """Expectations that are judged as another is, or find nothing that another does not find."""
    written = [one for one in file.expectations() if one.options.written is not None]
    first: dict[str, Expectation] = {}
    for one in written:
        twin = first.setdefault(repr(_plain(one)), one)
        if twin is not one:
            what = f"{_called(one)} is judged as {_called(twin)} is ({_line(twin)}): leave one out"
            checker.warn(_place(one), what)
    by_trigger: dict[str, list[Expectation]] = {}
    for one in first.values():
        trigger = _plain(getattr(one, "trigger", ()), "trigger")
        key = repr((type(one), trigger, _plain(one.options), _told(one)))
        by_trigger.setdefault(key, []).append(one)
    for alike in by_trigger.values():
        _warn_of_implied(alike[:COMPARED], checker)


def _warn_of_implied(alike: Sequence[Expectation], checker: Checker) -> None:
    for one in alike:
        wider = next((other for other in alike if other is not one and _covers(other, one)), None)
        if wider is not None:
            what = (
                f"whatever {_called(one)} finds, {_called(wider)} finds, too ({_line(wider)}): "
                "leave it out, or give it a severity or labels of its own"
            )
            checker.warn(_place(one), what)


def _covers(wider: Expectation, one: Expectation) -> bool:
    """Whether an instance of `one` that goes wrong surely is one of `wider` that does. Both have
    the same trigger and options."""
    if isinstance(wider, AfterExpect) and isinstance(one, AfterExpect):
        # Handing out, and a flow's end in between, may make a difference.
        if wider.options.match != "any" or (wider.within is None) != (one.within is None):
            return False
        needs = all(any(set(w) <= set(n) for w in wider.needs) for n in one.needs)
        return needs and (wider.within or 0) <= (one.within or 0)
    if isinstance(wider, AfterNever) and isinstance(one, AfterNever):
        if wider.options.unless or set(wider.until) != set(one.until):
            return False
        longer = wider.within is None or (one.within is not None and wider.within >= one.within)
        return longer and set(wider.never) >= set(one.never)
    if isinstance(wider, BeforeRequire) and isinstance(one, BeforeRequire):
        shorter = one.within is None or (wider.within is not None and wider.within <= one.within)
        return shorter and set(wider.require) <= set(one.require)
    return False


def _told(one: Expectation) -> object:
    """How it is told: what is told otherwise is an escalation, and meant."""
    return one.options.severity, one.options.labels, one.options.runbook


def _plain(value: object, within: str = "") -> object:
    """The same for what is judged alike, however it is written."""
    if isinstance(value, Guard | ValuePath):
        return "path", value.text
    if is_dataclass(value):
        parts = ((f.name, _plain(getattr(value, f.name), f.name)) for f in fields(value)
                 if f.compare and f.name not in UNJUDGED)  # fmt: skip
        return type(value).__name__, *parts
    if isinstance(value, tuple):
        if within == "pairs":
            return sorted((name, sorted(names)) for name, names in value)
        inner = [_plain(one) for one in value]
        if within == "needs":
            inner = sorted((_plain(one, "expected") for one in value), key=repr)
        return tuple(sorted(inner, key=repr) if within in ANY_OF else inner)
    return value


def _place(one: Expectation) -> Place:
    return Place(1, 1) if one.options.written is None else one.options.written.place


def _called(one: Expectation) -> str:
    return shown(one.options.name)


def _line(one: Expectation) -> str:
    return f"line {_place(one).line}"
