"""`for_each: path` `after: A` `expect: B` `by: path`: each value in A's list gets a B with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.absence import Absence, limit, until_the_last
from analyzer.episode import Episode, follows, skew_between, waits_no_more
from analyzer.guards import MISSING, Guard
from analyzer.instance import Instance
from analyzer.paths import ValuePath
from analyzer.rules.rule import Due, Names, Options, Reads, Rule, Wake, activations
from analyzer.sight import Sight
from analyzer.values import canonical, shown
from collector.event import ORDER, Event
from collector.times import format_time


@dataclass(frozen=True, slots=True)
class ForEach(Rule):
    options: Options
    path: ValuePath
    trigger: Names
    expected: Names
    by: Guard
    within: int | None

    def names(self) -> frozenset[str]:
        return frozenset((*self.trigger, *self.expected, *self.options.unless))

    def awaits(self) -> frozenset[str]:
        return frozenset((*self.expected, *self.options.unless))

    def wakes(self) -> Sequence[Wake]:
        return ()

    def dues(self) -> Sequence[Due]:
        return () if self.within is None else (Due(self.trigger, self.within),)

    def waits_for_end(self) -> bool:
        return self.within is None

    def reads(self) -> Sequence[Reads]:
        return [*super(ForEach, self).reads(), self.path, self.by]

    def waited(self, episode: Episode, instance: Instance) -> int | None:
        return until_the_last(instance.activation, instance.evidence)

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        found = []
        for cause in activations(self, episode, self.trigger):
            values = self.path.values(cause)
            if values is not None:
                wanted = {canonical(value): shown(value) for value in values}
                found.append(self._instance(cause, wanted, episode, sight))
        return found

    def _instance(
        self, cause: Event, wanted: dict[str, str], episode: Episode, sight: Sight
    ) -> Instance:
        name = self.options.name
        if self.within is None and waits_no_more(episode, cause):
            return self.ended(cause)
        deadline = episode.end if self.within is None else cause.time + self.within
        came = self._answers(cause, wanted, episode, sight)
        in_time = {
            value for value, event in came.items() if deadline is None or event.time <= deadline
        }
        evidence = tuple(sorted(came.values(), key=ORDER))
        done = len(in_time) == len(wanted)
        excuse = self.excuse(episode, sight, cause, deadline)
        if excuse is not None and (not done or (evidence and ORDER(excuse) < ORDER(evidence[-1]))):
            return self.excused(excuse, cause, deadline)
        if done:
            return Instance(name, "met", cause, deadline=deadline, evidence=evidence)
        lacks = tuple(text for value, text in wanted.items() if value not in in_time)
        what = f"{' or '.join(self.expected)} for {', '.join(lacks)}"
        started = f"{cause.name} at {format_time(cause.time)}"
        return Absence(
            rule=self, cause=cause, since=cause, deadline=deadline, lacks=lacks,
            text=f"expected {what} {limit(self.within)} of {started}",
            evidence=evidence, came=evidence, who="the last",
            last=evidence[-1] if len(came) == len(wanted) else None,
        ).judged(episode, sight)  # fmt: skip

    def _answers(
        self, cause: Event, wanted: dict[str, str], episode: Episode, sight: Sight
    ) -> dict[str, Event]:
        """For each value the first event that carries it."""
        came: dict[str, Event] = {}
        for event in episode.of(self.expected, copies=self.options.copies):
            skew = skew_between(self.options.skew, sight, event, cause)
            if not follows(event, cause, skew) or not self.options.fits(event, cause):
                continue
            found = self.by.value(event)
            value = None if found is MISSING else canonical(found)
            if value in wanted and value not in came:
                came[value] = event
        return came
