"""`either: [A, B]`: exactly one of these names by the flow's end; the same one twice is one."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.episode import Episode, is_over
from analyzer.instance import Instance
from analyzer.rules.rule import Due, Names, Options, Rule, Wake, firsts
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.times import format_duration, format_time


@dataclass(frozen=True, slots=True)
class Either(Rule):
    options: Options
    listed: Names

    def names(self) -> frozenset[str]:
        return frozenset((*self.listed, *self.options.unless))

    def awaits(self) -> frozenset[str]:
        return self.names()

    def wakes(self) -> Sequence[Wake]:
        return (Wake(self.listed, self.listed), Wake((), self.listed))

    def dues(self) -> Sequence[Due]:
        return ()

    def waits_for_end(self) -> bool:
        return True

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        if episode.begin is None:
            return ()
        came = sorted(firsts(self, episode, self.listed), key=ORDER)
        return (self._instance(came, episode.begin, episode, sight),)

    def _instance(
        self, came: Sequence[Event], begin: Event, episode: Episode, sight: Sight
    ) -> Instance:
        name, deadline = self.options.name, episode.end
        second = came[1] if len(came) > 1 else None
        excuse = self.excuse(episode, sight, None, deadline)
        if excuse is not None and (second is None or ORDER(excuse) <= ORDER(second)):
            why = f"excused by {excuse.name}"
            return Instance(name, "void", deadline=deadline, evidence=(excuse,), text=why)
        if second is not None:
            return self._both(came, second, deadline, sight)
        if came and (deadline is None or came[0].time <= deadline):
            state = "met" if is_over(episode, sight) else "pending"
            return Instance(name, state, deadline=deadline, evidence=tuple(came))  # type: ignore[arg-type]  # one of two states
        return self._neither(came, begin, episode, sight)

    def _both(
        self, came: Sequence[Event], second: Event, deadline: int | None, sight: Sight
    ) -> Instance:
        name, unless = self.options.name, frozenset(self.options.unless)
        text = (
            f"{second.name} at {format_time(second.time)} came besides {came[0].name}; "
            "expected one of them"
        )
        due = second.time + self.options.grace_under(sight)
        if unless and sight.complete_to(unless) <= due:
            return Instance(name, "pending", deadline=deadline, due=due, text=text)
        return Instance(
            name, "violated", None, "both", second.time, deadline, None, (), tuple(came), text
        )

    def _neither(
        self, came: Sequence[Event], begin: Event, episode: Episode, sight: Sight
    ) -> Instance:
        name, deadline = self.options.name, episode.end
        lacks = (" or ".join(self.listed),)
        text = f"expected {lacks[0]} before the flow ends"
        due = None if deadline is None else deadline + self.options.grace_under(sight)
        if due is None or deadline is None or sight.complete_to(self.awaits()) <= due:
            return Instance(name, "pending", deadline=deadline, due=due, lacks=lacks, text=text)
        if came:
            text = (
                f"{text}; {came[0].name} came {format_duration(came[0].time - deadline)} too late"
            )
            return Instance(
                name, "late", None, "late", deadline, deadline, None, lacks, tuple(came), text
            )
        why = sight.unseen(self.awaits(), begin, deadline, episode.ids())
        if why is not None:
            text = f"{text}: unobserved, {why}"
            return Instance(name, "unknown", deadline=deadline, lacks=lacks, text=text)
        text = f"{text}; none came by {format_time(deadline)}"
        return Instance(name, "missing", None, "neither", deadline, deadline, None, lacks, (), text)
