"""`agree: path` `across: [A, B]`, `across: {A: path, B: path}`: they carry the same value.

`agree: path` alone looks at all events of the flow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from analyzer.episode import Episode, is_over
from analyzer.guards import MISSING, Guard
from analyzer.instance import Instance, met_once
from analyzer.naming import ANY_NAME
from analyzer.offence import Offence
from analyzer.rules.rule import EVERY, Due, Names, Options, Reads, Rule, Wake, activations
from analyzer.sight import Sight
from analyzer.values import shown
from collector.cel_values import json_equal, number
from collector.event import Event
from collector.times import format_time


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far numbers may lie apart, inclusive: so much, or so much of the first one."""

    amount: Decimal
    of_first: bool

    def allows(self, first: float, other: float) -> bool:
        # As they are written: 0.3 is no more than 0.1 from 0.2.
        one, two = Decimal(repr(first)), Decimal(repr(other))
        return abs(one - two) <= (abs(one) * self.amount if self.of_first else self.amount)


@dataclass(frozen=True, slots=True)
class Agree(Rule):
    options: Options
    paths: tuple[tuple[str, Guard], ...]
    """By name, where its value is; the name `*` means every event."""
    tolerance: Tolerance | None = None

    def names(self) -> frozenset[str]:
        listed = () if self.every_name() else self._listed()
        return frozenset((*listed, *self.options.unless))

    def every_name(self) -> bool:
        return self._listed() == EVERY

    def read_of(self) -> Iterable[str]:
        return (*self._listed(), *self.options.unless)

    def activating(self, begins: Names) -> Names:
        return self._listed()

    def awaits(self) -> frozenset[str]:
        """What could still take an offence back."""
        return frozenset(self.options.unless)

    def _listed(self) -> Names:
        return tuple(name for name, _ in self.paths)

    def wakes(self) -> Sequence[Wake]:
        listed = self._listed()
        return Wake(listed, listed), Wake((), listed)

    def dues(self) -> Sequence[Due]:
        return ()

    def reads(self) -> Sequence[Reads]:
        return [*super(Agree, self).reads(), *(path for _, path in self.paths)]

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        paths = dict(self.paths)
        every = paths.get(ANY_NAME)
        events = self._every(episode) if every else activations(self, episode, self._listed())
        if episode.begin is None or len(events) < 2:
            return ()
        values = [
            (event, path.value(event))
            for event in events
            for path in ([every] if every else map(paths.get, episode.called(event)))
            if path is not None
        ]
        return (self._instance([one for one in values if one[1] is not MISSING], episode, sight),)

    def _every(self, episode: Episode) -> Sequence[Event]:
        where = self.options.where
        events = episode.in_order(copies=self.options.copies)
        return events if where is None else [event for event in events if where(event, None)]

    def _instance(
        self, values: Sequence[tuple[Event, object]], episode: Episode, sight: Sight
    ) -> Instance:
        name = self.options.name
        odd = next((e for e, value in values if not self._same(values[0][1], value)), None)
        excuse = self.excuse(episode, sight, None, episode.end, odd)
        if excuse is not None:
            return self.excused(excuse)
        evidence = tuple(event for event, _ in values)
        if odd is None:
            return Instance(name, met_once(is_over(episode, sight)), evidence=evidence)
        first, other = values[0], next(one for one in values if one[0] is odd)
        text = (
            f"{odd.name} at {format_time(odd.time)} says {shown(other[1])}, "
            f"{first[0].name} said {shown(first[1])}"
        )
        return Offence(
            rule=self, event=odd, since=episode.begin, revoking=frozenset(self.options.unless),
            finding="disagree", text=text, evidence=evidence,
        ).judged(episode, sight)  # fmt: skip

    def _same(self, first: object, other: object) -> bool:
        if json_equal(first, other):
            return True
        if self.tolerance is None or not number(first) or not number(other):
            return False
        return self.tolerance.allows(first, other)  # type: ignore[arg-type]  # both are numbers
