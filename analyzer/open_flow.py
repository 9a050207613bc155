"""What the live cache remembers of one flow: its events, packed, and how it was judged last."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from analyzer.finding import Finding
from analyzer.shape import Shape
from collector.event import Event
from collector.times import FOREVER

NOTHING_FOUND: Mapping[str, Finding] = MappingProxyType({})
"""Of nearly every flow: one for all of them."""

SETTLED = 1
"""Judged since its last event, and nothing in it waits for completeness."""
DONE = 2
"""Settled, ended, and nothing was found: it may be let go of."""
PENDING = 4
"""When it was judged last, something in it was pending: until an event, if nothing else."""
RUNAWAY = 8
"""It has too many events: it is no longer judged, and stays here to say so."""
JUDGED = 16
"""Judged since its last event: the next one has to say when it is judged again."""
FOUND = 32
"""Something was found in it: each event may change that."""
UNSURE = 64
"""Something in it is unknown: each event may tell."""
WATCHED = JUDGED | FOUND

MANY = 64
"""Of so many events the bytes are not copied for each that comes."""


class OpenFlow(msgspec.Struct, gc=False):
    """A few hundred bytes: there may be a million of them."""

    shape: Shape
    packed: bytes | bytearray = b""
    """Of each event that some rule names the number of its origin, and its body."""
    count: int = 0
    due: int = FOREVER
    """Its next moment in the calendar."""
    state: int = 0
    """Of the bits above those that hold."""
    found: Mapping[str, Finding] = NOTHING_FOUND
    """Findings that were announced and not retracted, by id."""

    def append(self, packed: bytes) -> None:
        self.packed += packed
        self.count += 1
        if self.count == MANY:
            self.make_room()

    def make_room(self) -> None:
        if self.count >= MANY:
            self.packed = bytearray(self.packed)

    def clear(self) -> None:
        self.packed, self.count = b"", 0

    @property
    def runaway(self) -> bool:
        return bool(self.state & RUNAWAY)


def distinct(events: Sequence[Event]) -> list[Event]:
    """The events of several flows; one that was in two of them is there once."""
    return list({(e.source, e.topic_id, e.partition, e.offset): e for e in events}.values())
