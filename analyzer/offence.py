"""What came and should not have: violated, or not yet, or not to be known."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.episode import Episode
from analyzer.instance import Instance, State
from analyzer.rules.rule import Rule
from analyzer.sight import Sight
from collector.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """The one way from there to a state, for every kind that forbids something."""

    rule: Rule
    cause: Event | None = None
    """The activation, where there is one."""
    event: Event
    """The one that offends."""
    since: Event | None
    """From when on what takes it back would have been there to be seen."""
    revoking: frozenset[str]
    """The names of what could take it back, were it there and not seen; empty: nothing could."""
    asked: frozenset[str] | None = None
    """The names of what could make another offence of it, if those are more."""
    finding: str
    text: str
    deadline: int | None = None
    evidence: Sequence[Event] = ()
    lacks: tuple[str, ...] = ()
    by: str = ""

    def judged(self, episode: Episode, sight: Sight) -> Instance:
        if self.revoking:
            due = self.event.time + self.rule.options.patience_under(sight)
            if sight.complete_to(self.asked or self.revoking) <= due:
                return self._said("pending", self.text, due=due)
            since = self.event if self.since is None else self.since
            unseen = sight.unseen(self.revoking, since, self.event.time, episode.ids())
            if unseen is not None:
                return self._said("unknown", f"{self.text}: unobserved, {unseen}")
        return self._said("violated", self.text, self.finding)

    def _said(
        self, state: State, text: str, finding: str | None = None, due: int | None = None
    ) -> Instance:
        told = finding is not None
        return Instance(
            self.rule.options.name, state, self.cause, finding, self.event.time if told else None,
            self.deadline, due, self.lacks if told else (), tuple(self.evidence) if told else (),
            text, self.by,
        )  # fmt: skip
