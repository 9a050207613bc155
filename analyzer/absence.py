"""What was awaited and is not there in time: pending, late, unknown or missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.episode import Episode
from analyzer.instance import Instance, State
from analyzer.rules.rule import Rule
from analyzer.sight import Sight
from collector.event import Event
from collector.times import format_duration, format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """The one way from there to a state, for every kind that waits for something."""

    rule: Rule
    cause: Event | None
    """The activation, where there is one."""
    since: Event
    """From when on it would have been there to be seen."""
    deadline: int | None
    lacks: tuple[str, ...]
    hidden: frozenset[str] | None = None
    """The names of what lacks: those that a gap may have hidden; None: all that are awaited."""
    text: str
    """What was expected."""
    evidence: Sequence[Event] = ()
    """What came in part."""
    came: Sequence[Event] = ()
    """All that came, too late ones included."""
    last: Event | None = None
    """The one that made it whole, too late; None while it is not."""
    finding: str = "missing"
    who: str = "it"
    none: str = "none"
    by: str = ""

    def judged(self, episode: Episode, sight: Sight) -> Instance:
        awaits, deadline = self.rule.awaits(), self.deadline
        due = None if deadline is None else deadline + self.rule.options.grace_under(sight)
        if due is None or deadline is None or sight.complete_to(awaits) <= due:
            return self._said("pending", self.text, evidence=self.evidence, due=due)
        if self.last is not None:
            passed = format_duration(self.last.time - deadline)
            text = f"{self.text}; {self.who} came {passed} too late"
            return self._said("late", text, "late", self.came)
        lacking = awaits if self.hidden is None else self.hidden.union(self.rule.options.unless)
        unseen = sight.unseen(lacking, self.since, deadline, episode.ids())
        if unseen is not None:
            return self._said("unknown", f"{self.text}: unobserved, {unseen}")
        text = f"{self.text}; {self.none} came by {format_time(deadline)}"
        return self._said("missing", text, self.finding, self.evidence)

    def _said(
        self,
        state: State,
        text: str,
        finding: str | None = None,
        evidence: Sequence[Event] = (),
        due: int | None = None,
    ) -> Instance:
        at = None if finding is None else self.deadline
        return Instance(
            self.rule.options.name, state, self.cause, finding, at, self.deadline, due,
            self.lacks, tuple(evidence), text, self.by,
        )  # fmt: skip


def until_the_last(since: Event | None, came: Sequence[Event]) -> int | None:
    """How long it took until all of it was there; what came before `since` took no time."""
    if since is None or not came:
        return None
    return max(0, max(event.time for event in came) - since.time)


def limit(within: int | None) -> str:
    """In what time, as people read it."""
    return "before the flow ends" if within is None else f"within {format_duration(within)}"
