"""The cases for and against every group that may have brought out what came."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, NamedTuple

from analyzer.services.flows import LATE, SKEW, Flow
from analyzer.services.progress import Progress, Taking
from analyzer.services.sighting import Sighting
from analyzer.why.case import SETTLE
from collector.times import US_PER_S

SLIPS = 0.1
"""Of the cases that tell no more may be against a group: a late answer says nothing of it."""
MANY, OCCASIONS, MINUTES = 10, 3, 2
"""Likely with so many cases for it, in so many minutes of partitions, and so many minutes."""

Verdict = Literal["for", "against", "undecided"]


class Step(NamedTuple):
    """`group` takes `consumes` and brings out `emits`."""

    source: str
    group: str
    consumes: str
    emits: str


@dataclass(slots=True)
class Cases:
    cases_for: int = 0
    against: int = 0
    undecided: int = 0
    occasions: set[tuple[str, int, int]] = field(default_factory=set)
    """Topic ID, partition and minute of those that are for it."""

    @property
    def fitting(self) -> int:
        return self.cases_for + self.undecided

    @property
    def refuted(self) -> bool:
        """One alone against it is chance."""
        return self.against > 1 and self.against > SLIPS * (self.cases_for + self.against)

    def likely(self) -> bool:
        minutes = {minute for _, _, minute in self.occasions}
        return (
            self.cases_for >= MANY
            and len(self.occasions) >= OCCASIONS
            and len(minutes) >= MINUTES
            and self.against <= SLIPS * self.cases_for
        )


class Course:
    """Who took an event, and when; each is asked for once."""

    def __init__(self, progress: Progress, trailing: Mapping[tuple[str, str], int]) -> None:
        self._progress, self._trailing = progress, trailing
        self._known: dict[Sighting, list[Taking]] = {}

    def of(self, event: Sighting) -> list[Taking]:
        found = self._known.get(event)
        if found is None:
            found = self._known[event] = self._progress.takings(event, self._trailing)
        return found


def said_of(cause: Sighting, taking: Taking, came: int) -> Verdict:
    if came < taking.earliest - SKEW:
        return "against"
    if taking.latest is None:
        return "undecided"
    if came > taking.latest + SETTLE:
        return "against"
    return "for" if taking.earliest - cause.time >= LATE else "undecided"


def cases_of(flows: Iterable[Flow], course: Course) -> dict[Step, Cases]:
    """Every group with every two names."""
    found: dict[Step, Cases] = {}
    for flow in flows:
        for number, event in enumerate(flow.events):
            for cause in flow.before(number):
                for taking in course.of(cause):
                    step = Step(cause.source, taking.group, cause.name, event.name)
                    cases = found.get(step)
                    if cases is None:
                        cases = found[step] = Cases()
                    _count(cases, cause, taking, said_of(cause, taking, event.time))
    return found


def _count(cases: Cases, cause: Sighting, taking: Taking, said: Verdict) -> None:
    if said == "undecided":
        cases.undecided += 1
    elif said == "against":
        cases.against += 1
    else:
        cases.cases_for += 1
        minute = (taking.latest or 0) // (60 * US_PER_S)
        cases.occasions.add((cause.topic_id, cause.partition, minute))


def add_inverted(flows: Iterable[Flow], standing: Mapping[Step, Cases]) -> None:
    """What comes before an event does not come of it."""
    steps = {
        names: list(some) for names, some in groupby(sorted(standing, key=names_of), key=names_of)
    }
    for flow in flows:
        first: dict[str, Sighting] = {}
        for event in flow.events:
            first.setdefault(event.name, event)
        for (consumes, emits), some in steps.items():
            cause, came = first.get(consumes), first.get(emits)
            if cause is not None and came is not None and cause.time - came.time > SKEW:
                for step in some:
                    if step.source == cause.source:
                        standing[step].against += 1


def names_of(step: Step) -> tuple[str, str]:
    return step.consumes, step.emits
