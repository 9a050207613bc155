"""Who misses a deadline because a whole service is hampered: known to the millisecond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo.services.work import Awaited, Work
from demo.switches import Switches
from demo.truth import Position, Truth


@dataclass
class Waiting:
    """Work whose next step is owed, as the rules count it: from event to event."""

    flow: str
    awaited: Awaited
    since: datetime
    deadline: datetime
    position: Position | None = None
    told: bool = False


Key = tuple[int, str]  # number, expectation


class Deadlines:
    """Follows each event that awaits another; blames the service's fault when it comes too late.

    A fault of the work's own that breaks the same expectation tells its truth itself.
    """

    def __init__(
        self, awaits: Mapping[str, Awaited], within: float, switches: Switches, truth: Truth
    ) -> None:
        self._awaits = awaits
        self._within = timedelta(seconds=within)
        self._switches = switches
        self._truth = truth
        self._waiting: dict[Key, Waiting] = {}

    def begins(self, name: str, work: Work, at: datetime) -> None:
        """An event is about to be published: its answer is due from its own time on."""
        if awaited := self._awaits.get(name):
            key = (work.number, awaited.expectation)
            waiting = Waiting(work.flow, awaited, at, at + self._within)
            self._waiting.setdefault(key, waiting)  # a second one is no other occurrence

    def lies(self, name: str, work: Work, position: Position) -> None:
        """Where the event has come to lie."""
        if (awaited := self._awaits.get(name)) and (
            waiting := self._waiting.get((work.number, awaited.expectation))
        ):
            waiting.position = waiting.position or position

    def comes(self, name: str, work: Work, at: datetime) -> None:
        """An event of this moment is about to be published: what it answers in time, or excuses,
        is owed no more, however long the broker takes to accept it."""
        for key, waiting in self._waiting_of(work):
            known = {*waiting.awaited.answers, *waiting.awaited.excuses}
            if name in known and at <= waiting.deadline:
                del self._waiting[key]

    def answered(self, name: str, work: Work, at: datetime, position: Position) -> None:
        """An event was published: it answers too late those that await it still."""
        for key, waiting in self._waiting_of(work):
            if name in waiting.awaited.answers:
                del self._waiting[key]
                self._blame(waiting, at, {"finding": "late", "verdict": "late"}, position)

    def _waiting_of(self, work: Work) -> list[tuple[Key, Waiting]]:
        keys = [(work.number, awaited.expectation) for awaited in self._awaits.values()]
        return [(key, self._waiting[key]) for key in keys if key in self._waiting]

    def own(self, name: str, work: Work) -> None:
        """A service took the event, and the work's own fault decides what becomes of it."""
        awaited = self._awaits.get(name)
        if awaited and work.fault and work.fault.expectation == awaited.expectation:
            self._waiting.pop((work.number, awaited.expectation), None)

    def look(self, now: datetime) -> None:
        """Tell of those whose deadline has passed, each once."""
        for waiting in list(self._waiting.values()):
            if now > waiting.deadline and not waiting.told:
                waiting.told = self._blame(
                    waiting, waiting.deadline, {"finding": "missing"}, waiting.position
                )

    def _blame(
        self,
        waiting: Waiting,
        until: datetime,
        expect: Mapping[str, str],
        position: Position | None,
    ) -> bool:
        fault = self._switches.blamed(waiting.awaited.service, waiting.since, until)
        if fault:
            self._truth.tell(fault, waiting.flow, position, expect)
        return fault is not None
