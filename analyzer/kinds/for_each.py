"""`for_each: path` `after: A` `expect: B` `by: path`: each value in A's list gets a B with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class _Asking:
    """One activation: the values that it lists, and what answered them."""

    cause: Event
    wanted: dict[str, str]
    """Each value's text, as it is compared and as it is shown."""
    deadline: int | None
    excuse: Event | None
    came: dict[str, Event] = field(default_factory=dict)

    def overdue(self, event: Event) -> bool:
        return self.deadline is not None and event.time > self.deadline

    def void_before(self, event: Event) -> bool:
        return self.excuse is not None and ORDER(self.excuse) < ORDER(event)


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
        found: list[Instance] = []
        asking: list[_Asking] = []
        for cause in activations(self, episode, self.trigger):
            values = self.path.values(cause)
            if values is None:
                continue
            if self.within is None and waits_no_more(episode, cause):
                found.append(self.ended(cause))
                continue
            wanted = {canonical(value): shown(value) for value in values}
            deadline = episode.end if self.within is None else cause.time + self.within
            excuse = self.excuse(episode, sight, cause, deadline)
            asking.append(_Asking(cause, wanted, deadline, excuse))
        if asking:
            self._hand_out(asking, episode, sight)
        return [*found, *(self._instance(one, episode, sight) for one in asking)]

    def _instance(self, one: "_Asking", episode: Episode, sight: Sight) -> Instance:
        name = self.options.name
        cause, wanted, deadline, excuse = one.cause, one.wanted, one.deadline, one.excuse
        came = one.came
        in_time = {
            value for value, event in came.items() if deadline is None or event.time <= deadline
        }
        evidence = tuple(sorted(came.values(), key=ORDER))
        done = len(in_time) == len(wanted)
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

    def _hand_out(self, asking: Sequence["_Asking"], episode: Episode, sight: Sight) -> None:
        """For each value the first event that carries it; where each serves but one activation,
        the earliest in time, else one overdue."""
        each = self.options.match == "each"
        wanting: dict[str, list[_Asking]] = {}
        for one in asking:
            for value in one.wanted:
                wanting.setdefault(value, []).append(one)
        for event in episode.of(self.expected, copies=self.options.copies):
            found = self.by.value(event)
            if found is MISSING:
                continue
            value = canonical(found)
            free = [
                one
                for one in wanting.get(value, ())
                if value not in one.came
                and not (each and one.void_before(event))
                and follows(
                    event, one.cause, skew_between(self.options.skew, sight, event, one.cause)
                )
                and self.options.fits(event, one.cause)
            ]
            if each:
                free = ([one for one in free if not one.overdue(event)] or free)[:1]
            for one in free:
                one.came[value] = event
