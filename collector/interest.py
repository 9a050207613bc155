"""What the stages look at in an event: the rest of it is stored, and not kept in memory."""

import functools
from collections.abc import Callable, Iterable

import msgspec

from collector.event import Event

_encode = msgspec.msgpack.Encoder().encode


class Glimpse(msgspec.Struct, gc=False, array_like=True):
    """What the stages get of an event: what says where it belongs, and the rest, packed.

    It crosses from a tap's process, and flows keep what is packed as it is: most events are never
    looked into before their flow is judged.
    """

    name: str
    time: int
    correlation_ids: tuple[str, ...]
    packed: bytes
    """MessagePack of the event, as much of it as is read; see `events_in`."""
    source: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    """Where keys tie, with its source: those that may."""

    def event(self) -> Event:
        """What is packed, looked into."""
        return _decode_one(self.packed)


_decode_one = msgspec.msgpack.Decoder(Event).decode


class Part(msgspec.Struct, frozen=True):
    """What some rule reads of the events with one name, besides position, time and IDs."""

    payload: tuple[str, ...] | None = ()
    """These fields of it; None: all of it."""
    rest: bool = False
    """Headers and key."""

    def packed(self, event: Event) -> bytes:
        """The event with nothing more in it; fields that are left out get their defaults."""
        head = (
            event.source, event.topic, event.topic_id, event.partition, event.offset,
            event.time, event.arrival, event.name, event.correlation_ids, event.id,
        )  # fmt: skip
        if not self.rest and (self.payload == () or event.payload is None):
            return _encode(head)
        payload, encoding = None, "none"
        if self.payload != () and event.payload is not None:
            payload, encoding = event.payload, event.encoding
            if self.payload is not None and encoding == "json":
                payload = _only(self.payload)(payload)
        key, headers = (event.key, event.headers) if self.rest else (None, "[]")
        return _encode((*head, (), key, headers, payload, encoding))


class Interest(msgspec.Struct, frozen=True):
    """By event name. Of events with other names no more is looked at than that they are there."""

    names: dict[str, Part]
    keys: bool = False
    """Whether keys are looked at, too: where some of them tie."""

    def glimpses(self, events: Iterable[Event]) -> list[Glimpse]:
        names, nothing = self.names, Part()
        found = [
            Glimpse(e.name, e.time, e.correlation_ids, names.get(e.name, nothing).packed(e))
            for e in events
        ]
        if self.keys:
            for glimpse, event in zip(found, events, strict=True):
                glimpse.source, glimpse.keys = event.source, event.keys
        return found


# The head of a MessagePack list of up to 2**32 elements, and where its length goes.
HEAD = b"\xdd\0\0\0\0"
_LENGTH = slice(1, 5)
_decode_all = msgspec.msgpack.Decoder(list[Event]).decode


def events_in(packed: bytearray, count: int) -> list[Event]:
    """The events of so many glimpses, whose `packed` was put after HEAD."""
    packed[_LENGTH] = count.to_bytes(4, "big")
    return _decode_all(packed)


@functools.cache
def _only(fields: tuple[str, ...]) -> Callable[[str], str]:
    """Leaves these fields of a JSON object, each as it was written; what is no object stays."""
    members = [
        (
            f"f{number}",
            msgspec.Raw | msgspec.UnsetType,
            msgspec.field(default=msgspec.UNSET, name=f),
        )
        for number, f in enumerate(fields)
    ]
    kept = msgspec.defstruct("Kept", members, gc=False)
    decode, encode = msgspec.json.Decoder(kept).decode, msgspec.json.Encoder().encode

    def only(payload: str) -> str:
        try:
            return encode(decode(payload)).decode()
        except (msgspec.DecodeError, RecursionError):
            return payload

    return only
