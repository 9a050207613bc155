"""What the stages get of events: where they belong, and the rest of them unread.

Glimpses cross from a tap's process to the daemon, a column at a time. Most events are never looked
into before their flow is judged, so what is packed of them stays as it came: appended to what its
flow has. What repeats in all of them is told once, and is a number in each.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec

from collector.event import Event
from collector.payload import document


class Origin(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the events of one name in one partition have in common."""

    source: str
    topic: str
    topic_id: str
    partition: int
    name: str
    encoding: str
    """Of what is kept of the payload."""
    fields: tuple[str, ...] = ()
    """Where only these fields of it are kept: their names, once for all of them."""

    def is_beside(self, other: "Origin") -> bool:
        """In one partition: offsets tell which event was first."""
        return (
            self.partition == other.partition
            and self.topic_id == other.topic_id
            and self.source == other.source
        )


class Kept(msgspec.Struct, gc=False, array_like=True):
    """What is kept of one event, besides its origin. An end that is as usual is left out."""

    offset: int
    time: int
    delay: int
    """From its time to its arrival."""
    id: str | int | None = None
    """As that of an event: where no rule reads it a number."""
    payload: str | list[str | None] | None = None
    """Or the values of the origin's fields, as JSON; None where one is not there."""
    correlation_ids: tuple[str, ...] | None = None
    """None where it is one, and names the flow."""
    key: str | None = None
    headers: str = "[]"

    def event(self, origin: Origin, flow: str) -> Event:
        """As the judge sees it, in its flow."""
        ids = (flow,) if self.correlation_ids is None else self.correlation_ids
        kept = self.payload
        payload = _object(origin.fields, kept) if isinstance(kept, list) else kept
        return Event(
            origin.source, origin.topic, origin.topic_id, origin.partition, self.offset, self.time,
            self.time + self.delay, origin.name, ids, self.id, (), self.key, self.headers, payload,
            origin.encoding,
        )  # fmt: skip

    def document(self, origin: Origin) -> object:
        """What the payload tells; raises as `collector.payload.document` does."""
        if isinstance(self.payload, list):
            both = zip(origin.fields, self.payload, strict=True)
            return {name: _json(value) for name, value in both if value is not None}
        return document(self.payload or "", origin.encoding)


Ids = str | tuple[str, ...]
"""Nearly all events have one correlation ID, and it is a tuple only where it is not one."""


class Glimpse(msgspec.Struct, frozen=True):
    """One event, taken out of its columns."""

    name: str
    correlation_ids: tuple[str, ...]
    source: str
    keys: tuple[tuple[str, str], ...]
    """Where keys tie: those that may."""
    origin: Origin
    body: bytes

    def event(self) -> Event:
        return _kept(self.body).event(self.origin, "".join(self.correlation_ids[:1]))


class Glimpses(msgspec.Struct, array_like=True):
    """Those of a batch, a row each. Made by `Interest.glimpses`."""

    origins: list[Origin]
    """Each once, in any order."""
    numbers: list[int]
    """Which of them."""
    times: list[int]
    ids: list[Ids]
    bodies: list[bytes]
    """MessagePack of `Kept`."""
    keys: list[tuple[tuple[str, str], ...]] = []
    """Where keys tie; else there are none."""

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Glimpse]:
        return map(self.at, range(len(self)))

    def at(self, row: int) -> Glimpse:
        origin, ids = self.origins[self.numbers[row]], self.ids[row]
        return Glimpse(
            origin.name,
            (ids,) if isinstance(ids, str) else ids,
            origin.source,
            self.keys[row] if self.keys else (),
            origin,
            self.bodies[row],
        )

    @classmethod
    def none(cls) -> "Glimpses":
        return cls([], [], [], [], [])

    def written(self) -> bytes:
        return _encode(self)


def _object(fields: Sequence[str], values: Sequence[str | None]) -> str:
    """As one would write it."""
    both = zip(fields, values, strict=True)
    return "{" + ",".join(f"{_text(n)}:{v}" for n, v in both if v is not None) + "}"


@functools.cache
def _text(name: str) -> str:
    return msgspec.json.encode(name).decode()


_json = msgspec.json.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode
_kept = msgspec.msgpack.Decoder(Kept).decode
glimpses_in = msgspec.msgpack.Decoder(Glimpses).decode
_alternating = msgspec.msgpack.Decoder(list[int | Kept]).decode


def number_packed(number: int) -> bytes:
    """What goes before each body in a flow: the number of its origin."""
    return _encode(number)


def kept_in(packed: bytes | bytearray, count: int) -> Iterator[tuple[int, Kept]]:
    """So many bodies, each after the number of its origin, in the order in which they were put."""
    found = iter(_alternating(b"\xdd" + (2 * count).to_bytes(4, "big") + packed))
    return cast(Iterator[tuple[int, Kept]], zip(found, found, strict=True))
