"""`together: [A, B]`: all of them or none; the time runs from the first that came."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.absence import Absence, limit, until_the_last
from analyzer.episode import Episode, waits_no_more
from analyzer.instance import Instance
from analyzer.rules.rule import Due, Names, Options, Rule, Wake, firsts
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.times import format_time


@dataclass(frozen=True, slots=True)
class Together(Rule):
    options: Options
    listed: Names
    within: int | None

    def names(self) -> frozenset[str]:
        return frozenset((*self.listed, *self.options.unless))

    def activating(self, begins: Names) -> Names:
        return self.listed

    def awaits(self) -> frozenset[str]:
        return self.names()

    def wakes(self) -> Sequence[Wake]:
        return (Wake((), self.listed),)

    def dues(self) -> Sequence[Due]:
        return () if self.within is None else (Due(self.listed, self.within),)

    def waits_for_end(self) -> bool:
        return self.within is None

    def waited(self, episode: Episode, instance: Instance) -> int | None:
        came = instance.evidence
        return until_the_last(min(came, key=ORDER), came) if came else None

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        came = sorted(firsts(self, episode, self.listed), key=ORDER)
        if episode.begin is None or not came:
            return ()
        return (self._instance(came, episode, sight),)

    def _instance(self, came: Sequence[Event], episode: Episode, sight: Sight) -> Instance:
        name, first, last = self.options.name, came[0], came[-1]
        if self.within is None and waits_no_more(episode, first):
            return self.ended(None, (first,))
        deadline = episode.end if self.within is None else first.time + self.within
        whole = len(came) == len(self.listed)
        in_time = whole and (deadline is None or last.time <= deadline)
        excuse = self.excuse(episode, sight, None, deadline)
        if excuse is not None and (not in_time or ORDER(excuse) < ORDER(last)):
            return self.excused(excuse, deadline=deadline)
        evidence = tuple(came)
        if in_time:
            return Instance(name, "met", deadline=deadline, evidence=evidence)
        in_time_names = {
            name
            for event in came
            if deadline is None or event.time <= deadline
            for name in episode.called(event)
        }
        lacks = tuple(one for one in self.listed if one not in in_time_names)
        started = f"{first.name} at {format_time(first.time)}"
        return Absence(
            rule=self, cause=None, since=first, deadline=deadline, lacks=lacks,
            hidden=frozenset(lacks),
            text=f"expected {' and '.join(lacks)} {limit(self.within)} of {started}",
            evidence=evidence, came=evidence, last=last if whole else None,
        ).judged(episode, sight)  # fmt: skip
