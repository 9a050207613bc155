"""What a rule file names and nobody ever saw, given every name that is stored."""

import difflib
from collections.abc import Sequence

from analyzer.rules.checker import Checker, Problem
from analyzer.rules.located import Place
from analyzer.rules.named import named, shown
from analyzer.rules.ruleset import RuleFile
from analyzer.rules.sighted import activations_sighted, sighted
from collector.store.rollups import Sighting
from collector.times import format_time

MOST_SEARCHED = 2_000
"""Names among which a similar one is looked for."""

ALIKE = 0.85
"""Names of one kind begin alike; what is less similar was not meant."""


def unseen(file: RuleFile, seen: Sequence[Sighting]) -> list[Problem]:
    """Warnings, in the order of the file; none where nothing is stored."""
    checker = Checker(file.path)
    if not seen or file.written is None:
        return []
    events, since = sum(one.events for one in seen), min(one.first for one in seen)
    among = f"not once among {events:,} events since {format_time(since)}"
    known = sorted({one.name for one in seen if one.name})[:MOST_SEARCHED]
    asked: dict[str, bool] = {}
    for one in sorted(named(file.written), key=lambda o: (o.place.line, o.place.column)):
        if not one.judged or one.name in asked:
            continue
        asked[one.name] = bool(sighted(file, (one.name,), seen).events)
        if not asked[one.name]:
            what = f"{shown(one.name)} was never seen: {among}"
            checker.warn(one.place, what + _suggestion(one.name, known))
    _warn_of_silent(file, seen, checker)
    return checker.sorted()


def _warn_of_silent(file: RuleFile, seen: Sequence[Sighting], checker: Checker) -> None:
    for expectation in file.expectations():
        written = expectation.options.written
        if not activations_sighted(file, expectation, seen).events:
            place = Place(1, 1) if written is None else written.place
            what = "nothing that brings it to bear was ever seen: it is silent, and judges nothing"
            checker.warn(place, f"{shown(expectation.options.name)}: {what}")


def _suggestion(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=ALIKE)
    return f"; did you mean {shown(near[0])}?" if near else ""
