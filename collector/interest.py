"""What the stages look at in an event: the rest of it is stored, and not kept in memory."""

import functools
from collections.abc import Callable, Sequence

import msgspec

from collector.event import Event
from collector.glimpse import Glimpse, glimpses_in

_encode = msgspec.msgpack.Encoder().encode


class Part(msgspec.Struct, frozen=True):
    """What some rule reads of the events with one name, besides position, time and IDs."""

    payload: tuple[str, ...] | None = ()
    """These fields of it; None: all of it."""
    rest: bool = False
    """Headers and key."""

    def of(self, event: Event) -> tuple[object, ...]:
        """The fields of the event with nothing more in it; those left out have their defaults."""
        payload, encoding = None, "none"
        if self.payload != () and event.payload is not None:
            payload, encoding = event.payload, event.encoding
            if self.payload is not None and encoding == "json":
                payload = _only(self.payload)(payload)
        key, headers = (event.key, event.headers) if self.rest else (None, "[]")
        return (*_seen(event), (), key, headers, payload, encoding)


class Interest(msgspec.Struct, frozen=True):
    """By event name."""

    names: dict[str, Part]
    keys: bool = False
    """Whether keys are looked at, too: where some of them tie."""
    others: Part = Part()
    """Of events with other names; mostly no more than that they are there."""

    def glimpses(self, events: Sequence[Event]) -> list[Glimpse]:
        return glimpses_in(self.written(events))

    def written(self, events: Sequence[Event]) -> bytes:
        """The glimpses of these events, for `glimpses_in`; in one go, since it is done for all."""
        bodies = {name: _body(part) for name, part in self.names.items()}
        other = _body(self.others)
        if self.keys:
            rows: list[tuple[object, ...]] = [
                (e.name, e.time, e.correlation_ids, bodies.get(e.name, other)(e), e.source, e.keys)
                for e in events
            ]
        else:
            rows = [
                (e.name, e.time, e.correlation_ids, bodies.get(e.name, other)(e)) for e in events
            ]
        return _encode(rows)


_NOTHING = Part()


def _body(part: Part) -> Callable[[Event], tuple[object, ...]]:
    return _seen if part == _NOTHING else part.of


def _seen(e: Event) -> tuple[object, ...]:
    """What is read of every event."""
    return (
        e.source, e.topic, e.topic_id, e.partition, e.offset, e.time, e.arrival, e.name,
        e.correlation_ids, e.id,
    )  # fmt: skip


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
