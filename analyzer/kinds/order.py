"""`order: [A, B, C]`: the first occurrences of those that occur come in this order."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.episode import Episode, is_over, skew_between, surely_follows
from analyzer.instance import Instance, met_once
from analyzer.offence import Offence
from analyzer.rules.rule import Due, Names, Options, Rule, Wake, firsts
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.times import format_time


@dataclass(frozen=True, slots=True)
class Order(Rule):
    options: Options
    listed: Names

    def names(self) -> frozenset[str]:
        return frozenset((*self.listed, *self.options.unless))

    def activating(self, begins: Names) -> Names:
        return self.listed

    def awaits(self) -> frozenset[str]:
        """An earlier one that was not read yet takes the offence back."""
        return self.names()

    def wakes(self) -> Sequence[Wake]:
        return (Wake((), self.listed),)

    def dues(self) -> Sequence[Due]:
        return (Due(self.listed, 0),)

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        found = firsts(self, episode, self.listed)
        if episode.begin is None or len(found) < 2:
            return ()
        return (self._instance(found, episode, sight),)

    def _instance(self, found: Sequence[Event], episode: Episode, sight: Sight) -> Instance:
        name = self.options.name
        late = self._offence(found, sight)
        excuse = self.excuse(episode, sight, None, episode.end, late)
        if excuse is not None:
            return self.excused(excuse)
        if late is None:
            return Instance(name, met_once(is_over(episode, sight)), evidence=tuple(found))
        came = sorted(found, key=ORDER)
        wanted = " before ".join(event.name for event in found)
        text = f"expected {wanted}; {late.name} came at {format_time(late.time)}"
        said = Offence(
            rule=self, event=late, since=episode.begin, asked=self.awaits(),
            revoking=frozenset((late.name, *self.options.unless)), finding="out_of_order",
            text=text, evidence=came,
        ).judged(episode, sight)  # fmt: skip
        # An earlier one of its name may lie before the tap's first sight.
        why = episode.unseen_since(sight, frozenset((late.name,)), None, late)
        if said.finding is None or why is None:
            return said
        return Instance(name, "unknown", text=f"{text}: unobserved, {why}")

    def _offence(self, found: Sequence[Event], sight: Sight) -> Event | None:
        """The first that surely comes after one that it should have come before."""
        late = [
            one
            for number, one in enumerate(found)
            for other in found[number + 1 :]
            if surely_follows(one, other, skew_between(self.options.skew, sight, one, other))
        ]
        return min(late, key=ORDER, default=None)
