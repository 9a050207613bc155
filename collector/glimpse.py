"""What the stages get of an event: where it belongs, and the rest of it unread.

Glimpses cross from a tap's process to the daemon. Most events are never looked into before their
flow is judged, so what is packed stays as it came: appended to what its flow has.
"""

import msgspec

from collector.event import Event


class Glimpse(msgspec.Struct, gc=False, array_like=True):
    """Made by `Interest.written`, and read back by `glimpses_in`."""

    name: str
    time: int
    correlation_ids: tuple[str, ...]
    packed: msgspec.Raw
    """MessagePack of the event, as much of it as is read. It lies in the batch's bytes: whoever
    keeps it copies it."""
    source: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    """Where keys tie, with the source: those that may."""

    def event(self) -> Event:
        return _event(self.packed)


_event = msgspec.msgpack.Decoder(Event).decode
_events = msgspec.msgpack.Decoder(list[Event]).decode
glimpses_in = msgspec.msgpack.Decoder(list[Glimpse]).decode

# The head of a MessagePack list of up to 2**32 elements, and where its length goes.
HEAD = b"\xdd\0\0\0\0"
_LENGTH = slice(1, 5)


def events_in(packed: bytearray, count: int) -> list[Event]:
    """The events of so many glimpses, whose `packed` was put after HEAD."""
    packed[_LENGTH] = count.to_bytes(4, "big")
    return _events(packed)
