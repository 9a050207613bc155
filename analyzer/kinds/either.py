"""`either: [A, B]`: exactly one of these names by the flow's end; the same one twice is one."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.absence import Absence, until_the_last
from analyzer.episode import Episode, is_over
from analyzer.instance import Instance, met_once
from analyzer.offence import Offence
from analyzer.rules.rule import Due, Names, Options, Rule, Wake, firsts
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.times import format_time


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

    def waited(self, episode: Episode, instance: Instance) -> int | None:
        return until_the_last(episode.begin, instance.evidence)

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        if episode.begin is None:
            return ()
        # One event that has both names is one.
        different = {id(event): event for event in firsts(self, episode, self.listed)}
        came = sorted(different.values(), key=ORDER)
        return (self._instance(came, episode.begin, episode, sight),)

    def _instance(
        self, came: Sequence[Event], begin: Event, episode: Episode, sight: Sight
    ) -> Instance:
        name, deadline = self.options.name, episode.end
        second = came[1] if len(came) > 1 else None
        excuse = self.excuse(episode, sight, None, deadline, second)
        if excuse is not None:
            return self.excused(excuse, deadline=deadline)
        if second is not None:
            text = (
                f"{second.name} at {format_time(second.time)} came besides {came[0].name}; "
                "expected one of them"
            )
            return Offence(
                rule=self, event=second, since=begin, revoking=frozenset(self.options.unless),
                finding="both", text=text, deadline=deadline, evidence=came,
            ).judged(episode, sight)  # fmt: skip
        if came and (deadline is None or came[0].time <= deadline):
            state = met_once(is_over(episode, sight))
            return Instance(name, state, deadline=deadline, evidence=tuple(came))
        return self._neither(came, begin, episode, sight)

    def _neither(
        self, came: Sequence[Event], begin: Event, episode: Episode, sight: Sight
    ) -> Instance:
        lacks = (" or ".join(self.listed),)
        last = came[0] if came else None
        return Absence(
            rule=self, cause=None, since=begin, deadline=episode.end, lacks=lacks,
            text=f"expected {lacks[0]} before the flow ends", came=came, last=last,
            finding="neither", who=last.name if last else "",
        ).judged(episode, sight)  # fmt: skip
