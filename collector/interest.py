"""What the stages look at in an event: the rest of it is stored, and not kept in memory."""

import functools
from collections.abc import Callable, Iterable

import msgspec

from collector.event import Event


class Part(msgspec.Struct, frozen=True):
    """What some rule reads of the events with one name, besides position, time and IDs."""

    payload: tuple[str, ...] | None = ()
    """These fields of it; None: all of it."""
    rest: bool = False
    """Headers and key."""

    def of(self, event: Event) -> Event:
        """A copy of the event with nothing more in it."""
        slim = Event(
            event.source, event.topic, event.topic_id, event.partition, event.offset,
            event.time, event.arrival, event.name, event.correlation_ids, event.id, event.keys,
        )  # fmt: skip
        if self.payload != () and event.payload is not None:
            slim.encoding, slim.payload = event.encoding, event.payload
            if self.payload is not None and event.encoding == "json":
                slim.payload = _only(self.payload)(event.payload)
        if self.rest:
            slim.headers, slim.key = event.headers, event.key
        return slim


class Interest(msgspec.Struct, frozen=True):
    """By event name. Of events with other names no more is looked at than that they are there."""

    names: dict[str, Part]

    def slim(self, events: Iterable[Event]) -> list[Event]:
        """Copies of the events with nothing more in them than is read."""
        names, nothing = self.names, Part()
        return [names.get(event.name, nothing).of(event) for event in events]


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
