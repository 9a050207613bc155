"""`handled: A` `groups: [g, …]` `within`: each group's committed offset passes A's in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analyzer.consumers.consumed import watched
from analyzer.episode import Episode
from analyzer.instance import Instance, State
from analyzer.rules.rule import Due, Names, Options, Rule, Wake, activations
from analyzer.sight import Sight
from collector.event import Event
from collector.times import format_duration, format_time

CUT_BACK = "@"
"""In the ID of a topic whose offsets were given anew: commits do not tell which are meant."""


class _Answer(NamedTuple):
    """What became of one activation in one group; `by`: when it was seen to be handled."""

    group: str
    state: State
    why: str | None = None
    by: int | None = None


@dataclass(frozen=True, slots=True)
class Handled(Rule):
    """Judged from commits as they were observed; where nobody looks it is unknown."""

    options: Options
    trigger: Names
    groups: Names
    within: int

    def names(self) -> frozenset[str]:
        return frozenset((*self.trigger, *self.options.unless))

    def awaits(self) -> frozenset[str]:
        return watched(self.groups).union(self.options.unless)

    def wakes(self) -> Sequence[Wake]:
        return ()

    def dues(self) -> Sequence[Due]:
        return (Due(self.trigger, self.within),)

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        return [
            self._instance(cause, episode, sight)
            for cause in activations(self, episode, self.trigger)
        ]

    def _instance(self, cause: Event, episode: Episode, sight: Sight) -> Instance:
        deadline = cause.time + self.within
        due = deadline + self.options.grace_under(sight)
        over = sight.complete_to(self.awaits()) > due
        answers = [self._answer(g, cause, deadline, due, sight, over=over) for g in self.groups]
        if all(one.state == "met" for one in answers):
            return self._said("met", cause, deadline)
        excuse = self.excuse(episode, sight, cause, deadline)
        if excuse is not None:
            return self.excused(excuse, cause, deadline)
        for state in ("pending", "missing", "late", "unknown"):
            found = [one for one in answers if one.state == state]
            if found:
                break
        lacks = tuple(one.group for one in answers if one.state in ("missing", "late"))
        who = " and ".join(one.group for one in found)
        text = (
            f"expected {who} to handle {cause.name} at {format_time(cause.time)} "
            f"within {format_duration(self.within)}"
        )
        if state == "pending":
            return self._said("pending", cause, deadline, text, due=due)
        if state == "unknown":
            return self._said("unknown", cause, deadline, f"{text}: unobserved, {found[0].why}")
        if state == "late":
            last = max(one.by or 0 for one in found)
            text = f"{text}; it did {format_duration(last - deadline)} too late"
            return self._said("late", cause, deadline, text, finding="late", lacks=lacks)
        if self.options.unless:
            excuses = frozenset(self.options.unless)
            unseen = sight.unseen(excuses, cause, deadline, episode.ids())
            if unseen is not None:
                return self._said("unknown", cause, deadline, f"{text}: unobserved, {unseen}")
        text = f"{text}; offset {cause.offset} was not committed by {format_time(deadline)}"
        return self._said("missing", cause, deadline, text, finding="unhandled", lacks=lacks)

    def _answer(
        self, group: str, cause: Event, deadline: int, due: int, sight: Sight, *, over: bool
    ) -> _Answer:
        consumed, source = sight.consumed, cause.source
        why: str | None = f"consumers of {source} are not watched"
        if consumed is not None:
            why = consumed.unwatched(source, group)
        if CUT_BACK in cause.topic_id:
            why = f"the log of {cause.topic} was cut back"
        if why is not None or consumed is None:
            return _Answer(group, "unknown" if over else "pending", why)
        not_by, by = consumed.passage(group, cause)
        if by is not None and by <= due:
            return _Answer(group, "met")
        if not over:
            return _Answer(group, "pending")
        if (why := consumed.denied(source, group, deadline)) is not None:
            return _Answer(group, "unknown", why)
        if by is None:
            return _Answer(group, "missing")
        if not_by is None or not_by < deadline:
            return _Answer(group, "unknown", "it was handled at a time when nobody looked")
        return _Answer(group, "late", by=by)

    def _said(
        self,
        state: State,
        cause: Event,
        deadline: int,
        text: str = "",
        *,
        finding: str | None = None,
        lacks: Names = (),
        due: int | None = None,
    ) -> Instance:
        at = None if finding is None else deadline
        return Instance(
            self.options.name, state, cause, finding, at, deadline, due, lacks, (), text
        )
