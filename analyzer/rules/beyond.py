"""What asks for more of the past than is kept: its answer would be unknown."""

from dataclasses import dataclass

from analyzer.folds.latency import Latency
from analyzer.folds.rate import Rate
from analyzer.folds.schedule import Schedule
from analyzer.kinds.before_require import BeforeRequire
from analyzer.rules.checker import Checker, Problem
from analyzer.rules.kind import Expectation
from analyzer.rules.located import Place
from analyzer.rules.named import shown
from analyzer.rules.ruleset import RuleFile
from collector.times import format_duration


@dataclass(frozen=True)
class Kept:
    """How long (µs) events are kept: of flows that are over or none, and of open ones."""

    retention: int
    max_flow_age: int


def beyond(file: RuleFile, kept: Kept) -> list[Problem]:
    """Warnings, in the order of the file."""
    checker = Checker(file.path)
    if file.within is not None and file.within > kept.max_flow_age:
        _warn(checker, _of_file(file), "within", _too_old(file.within, kept))
    for one in file.expectations():
        reach = _told(one, kept)
        if reach is not None and one.options.written is not None:
            key, what = reach
            place = (one.options.written.keys or {}).get(key, one.options.written.place)
            checker.warn(place, f"{shown(one.options.name)}: {what}")
    return checker.sorted()


def _told(one: Expectation, kept: Kept) -> tuple[str, str] | None:
    """At which key what is to be said."""
    retention = format_duration(kept.retention)
    what = f"what is kept (`retention: {retention}`): the answer will always be unknown"
    if isinstance(one, Rate):
        if one.compared is not None and one.compared.before + one.per.per > kept.retention:
            return "compared_to", f"with its window this reaches back further than {what}"
        longer = one.least is not None and one.per.per > kept.retention
        return ("per", f"longer than {what}") if longer else None
    if isinstance(one, Latency):
        longer = one.per.per + one.limit > kept.retention
        return ("per", f"with the time that a step may take longer than {what}") if longer else None
    if isinstance(one, Schedule):
        return ("within", f"longer than {what}") if one.within > kept.retention else None
    within = getattr(one, "within", None)
    if within is None:
        return None
    if isinstance(one, BeforeRequire) and kept.retention < within <= kept.max_flow_age:
        what = f"of a flow that is over nothing is kept for so long (`retention: {retention}`)"
        return "within", f"{what}: what came before may be unknown"
    return ("within", _too_old(within, kept)) if within > kept.max_flow_age else None


def _too_old(within: int, kept: Kept) -> str:
    age = format_duration(kept.max_flow_age)
    return (
        f"{format_duration(within)} is longer than an open flow is kept (`max_flow_age: {age}`): "
        "its events are gone before it is judged"
    )


def _of_file(file: RuleFile) -> dict[str, Place]:
    return {} if file.written is None else file.written.keys or {}


def _warn(checker: Checker, places: dict[str, Place], key: str, what: str) -> None:
    checker.warn(places.get(key, Place(1, 1)), what)
