"""One instance with all that is known of it, and what a verdict can say of that."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from analyzer.episode import Episode
from analyzer.instance import Instance
from analyzer.rules.services import Service
from analyzer.why.letters import Letter, ties
from analyzer.why.proof import Proof
from analyzer.why.seen import Consumption, Seen
from analyzer.why.steps import Step
from analyzer.why.words import Confidence
from collector.event import Event
from collector.times import US_PER_S

SETTLE = 5 * US_PER_S
"""So long after a commit what was read may still come out of its service."""


@dataclass(frozen=True, slots=True)
class Found:
    """It is so."""

    confidence: Confidence
    text: str
    gist: str
    """In a few words that are the same for every flow with which it is the same."""
    evidence: Sequence[Proof] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """It is not so, or nothing says that it is."""

    why: str


@dataclass(frozen=True)
class Case:
    instance: Instance
    episode: Episode
    step: Step
    services: Sequence[Service]
    seen: Seen

    @property
    def cause(self) -> Event | None:
        return self.step.cause

    @property
    def absent(self) -> bool:
        """It is not there, in time or at all; else it came late."""
        return self.instance.state != "late"

    @cached_property
    def wanted(self) -> str:
        """What lacks, in words."""
        return " and ".join(self.instance.lacks) or " or ".join(sorted(self.step.awaited))

    @cached_property
    def complete_to(self) -> int:
        """Up to when all was seen that could be what comes next."""
        sight, awaited = self.seen.sight, self.step.awaited
        return sight.complete_to(awaited) if awaited else sight.settled_to()

    @cached_property
    def letters(self) -> list[tuple[Letter, str]]:
        """Those of the event that waits, put away or off by those who should act on it."""
        if self.cause is None:
            return []
        return [one for one in ties(self.seen.letters, self.cause) if self._ours(one[0])]

    def _ours(self, letter: Letter) -> bool:
        """Another service may have failed of the same event."""
        ours, topic = self.step.service, letter.event.topic
        if ours is None:
            return True
        if letter.group is not None and self.step.groups:
            return letter.group in self.step.groups
        if ours.has_letters_on(topic):
            return True
        return not any(one.has_letters_on(topic) for one in self.services if one is not ours)

    @cached_property
    def consumption(self) -> Consumption | None:
        """Of the group that got furthest; None where nobody is known to act."""
        found = [
            self.seen.consumption.get(
                group, Consumption(group, unseen=f"{group} was not looked at")
            )
            for group in self.step.groups
        ]
        passed = [one for one in found if one.passage is not None and one.passage.by is not None]
        behind = [one for one in found if one.unseen is None]
        # Of several, those that never committed anything there may be at work elsewhere.
        behind.sort(key=lambda one: one.course is None)
        return next(iter([*passed, *behind, *found]), None)

    @cached_property
    def waits(self) -> Consumption | None:
        """The group, where the cause had not been read when its time was over, and is not now, or
        only just."""
        one = self.consumption
        if one is None or one.unseen is not None or one.passage is None:
            return None
        not_by, by = one.passage
        if by is None:
            return one
        deadline = self.instance.deadline
        late = deadline is not None and not_by is not None and not_by >= deadline
        return one if late and not self.settled(by) else None

    def settled(self, by: int) -> bool:
        """Whether what was read by then would have been answered, and the answer seen."""
        return self.complete_to > by + SETTLE
