"""Events sorted by time, however many: in slots of ten minutes, on disk when they are too many for
memory. What expectations about windows look at."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from operator import attrgetter

import msgspec

from analyzer.backtest.piles import IN_MEMORY, Pile, Piles
from collector.event import ORDER, Event
from collector.times import US_PER_S

SLOT = 600 * US_PER_S
KEPT = 4
"""Slots that are kept as they were read last: windows overlap."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Event]).decode
_PLACE = attrgetter("source", "topic_id", "partition", "offset")


class Slots(Piles):
    """Put all events in; then ask for stretches of time. A folder of its own is gone in the end."""

    def __init__(self, names: frozenset[str] | None, in_memory: int = IN_MEMORY) -> None:
        """`names`: what the events may be called that are wanted; None: anything."""
        super().__init__(in_memory)
        self._names = names
        self._slots: dict[int, Pile] = {}
        self._kept: OrderedDict[int, list[Event]] = OrderedDict()

    def put(self, events: Sequence[Event]) -> None:
        names = self._names
        slots: dict[int, list[Event]] = {}
        for event in events:
            if names is None or event.name in names:
                slots.setdefault(event.time // SLOT, []).append(event)
        for number, some in slots.items():
            pile = self._slots.get(number)
            if pile is None:
                pile = self._slots[number] = self._pile(str(number))
            self._put(pile, _encode(some))
        self._make_room()

    def between(self, start: int, end: int) -> Iterator[Event]:
        """Those from `start` to before `end`, in order, each position once."""
        for number in range(start // SLOT, (end - 1) // SLOT + 1):
            for event in self._slot(number):
                if start <= event.time < end:
                    yield event

    def _slot(self, number: int) -> list[Event]:
        found = self._kept.get(number)
        if found is None:
            pile = self._slots.get(number)
            packed = () if pile is None else pile.read()
            by_place = {_PLACE(event): event for some in packed for event in _decode(some)}
            found = self._kept[number] = sorted(by_place.values(), key=ORDER)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found
