"""`together: [A, B]`: all of them or none; the time runs from the first that came."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.episode import Episode, waits_no_more
from analyzer.instance import Instance
from analyzer.rules.rule import Due, Names, Options, Rule, Wake, firsts
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.times import format_duration, format_time


@dataclass(frozen=True, slots=True)
class Together(Rule):
    options: Options
    listed: Names
    within: int | None

    def names(self) -> frozenset[str]:
        return frozenset((*self.listed, *self.options.unless))

    def awaits(self) -> frozenset[str]:
        return self.names()

    def wakes(self) -> Sequence[Wake]:
        return (Wake((), self.listed),)

    def dues(self) -> Sequence[Due]:
        return () if self.within is None else (Due(self.listed, self.within),)

    def waits_for_end(self) -> bool:
        return self.within is None

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        came = sorted(firsts(self, episode, self.listed), key=ORDER)
        if episode.begin is None or not came:
            return ()
        return (self._instance(came, episode, sight),)

    def _instance(self, came: Sequence[Event], episode: Episode, sight: Sight) -> Instance:
        name, first, last = self.options.name, came[0], came[-1]
        if self.within is None and waits_no_more(episode, first):
            why = "the flow had ended: it waits for nothing new"
            return Instance(name, "void", evidence=(first,), text=why)
        deadline = episode.end if self.within is None else first.time + self.within
        whole = len(came) == len(self.listed)
        in_time = whole and (deadline is None or last.time <= deadline)
        excuse = self.excuse(episode, sight, None, deadline)
        if excuse is not None and (not in_time or ORDER(excuse) < ORDER(last)):
            why = f"excused by {excuse.name}"
            return Instance(name, "void", deadline=deadline, evidence=(excuse,), text=why)
        evidence = tuple(came)
        if in_time:
            return Instance(name, "met", deadline=deadline, evidence=evidence)
        in_time_names = {e.name for e in came if deadline is None or e.time <= deadline}
        lacks = tuple(one for one in self.listed if one not in in_time_names)
        limit = "before the flow ends" if self.within is None else (
            f"within {format_duration(self.within)}"
        )  # fmt: skip
        text = (
            f"expected {' and '.join(lacks)} {limit} of {first.name} at {format_time(first.time)}"
        )
        due = None if deadline is None else deadline + self.options.grace_under(sight)
        if due is None or deadline is None or sight.complete_to(self.awaits()) <= due:
            return Instance(
                name, "pending", deadline=deadline, due=due, lacks=lacks, evidence=evidence,
                text=text,
            )  # fmt: skip
        if whole:
            text = f"{text}; it came {format_duration(last.time - deadline)} too late"
            return Instance(
                name, "late", None, "late", deadline, deadline, None, lacks, evidence, text
            )
        why_not = sight.unseen(self.awaits(), first, deadline, episode.ids())
        if why_not is not None:
            text = f"{text}: unobserved, {why_not}"
            return Instance(name, "unknown", deadline=deadline, lacks=lacks, text=text)
        text = f"{text}; none came by {format_time(deadline)}"
        return Instance(
            name, "missing", None, "missing", deadline, deadline, None, lacks, evidence, text
        )
