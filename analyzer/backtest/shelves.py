"""Events sorted by flow, however many: on shelves by the hash of the flow, on disk when they are
too many for memory. One shelf after the other is taken down and its flows put together."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple
from zlib import crc32

import msgspec

from analyzer.backtest.piles import IN_MEMORY, Piles
from collector.event import Event
from collector.ties import Ties, flows_of

SHELVES = 256
"""Of a hundred million events one shelf holds some hundred MB."""

Placed = tuple[str | None, bool, Event]
"""An event in one of its flows (None: in none), and whether that is the first of them."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Placed]).decode


Place = tuple[str, str, int, int]


class Shelf(NamedTuple):
    """What lay on one shelf, each position once."""

    events: int
    """How many there are; those of several flows once, those of none too."""
    flows: list[tuple[str, list[Event]]]
    """In the order of their names."""


class Shelves(Piles):
    """Put all events in; then take the flows out. A folder of its own is gone in the end."""

    def __init__(
        self, ties: Ties | None, read: frozenset[str] | None, in_memory: int = IN_MEMORY
    ) -> None:
        """`read`: the names of which headers and payloads are kept; None: of all."""
        super().__init__(in_memory)
        self._ties = ties
        self._read = read
        self._shelves = [self._pile(str(number)) for number in range(SHELVES)]
        # Where keys tie, nobody knows an event's flows before all events were seen.
        self._unsorted = None if self._ties is None else self._pile("unsorted")

    def put(self, events: Sequence[Event]) -> None:
        """Takes these in; of what no rule reads, headers and payload are let go of."""
        read = self._read
        for event in events:
            if (
                read is not None
                and event.name not in read
                and (event.payload is not None or event.headers != "[]")
            ):
                event.payload, event.headers = None, "[]"
        if self._ties is None or self._unsorted is None:
            self._sort(events, None)
            return
        self._ties.add(events)
        self._put(self._unsorted, _encode([(None, True, event) for event in events]))
        self._make_room()

    def _sort(self, events: Sequence[Event], ties: Ties | None) -> None:
        sorted_: dict[int, list[Placed]] = {}
        for event in events:
            flows = flows_of(event, ties)
            if not flows:
                sorted_.setdefault(event.offset % SHELVES, []).append((None, True, event))
            first = True
            for flow in flows:
                number = crc32(flow.encode()) % SHELVES
                sorted_.setdefault(number, []).append((flow, first, event))
                first = False
        for number, placed in sorted_.items():
            self._put(self._shelves[number], _encode(placed))
        self._make_room()

    def flows_of(self, event: Event) -> Sequence[str]:
        """Once all events are in."""
        return flows_of(event, self._ties)

    def flows(self) -> Iterator["Shelf"]:
        """One shelf after another."""
        if self._unsorted is not None:
            for packed in self._unsorted.take():
                self._sort([event for _, _, event in _decode(packed)], self._ties)
        for shelf in self._shelves:
            found: dict[str | None, dict[Place, Event]] = {}
            count = 0
            for packed in shelf.take():
                for flow, first, event in _decode(packed):
                    place = (event.source, event.topic_id, event.partition, event.offset)
                    flow_events = found.setdefault(flow, {})
                    if place not in flow_events:
                        flow_events[place] = event
                        count += first
            flows = [(flow, list(by.values())) for flow, by in found.items() if flow is not None]
            flows.sort(key=itemgetter(0))
            yield Shelf(count, flows)
