"""What the stages look at in an event: the rest of it is stored, and not kept in memory."""

import functools
from collections.abc import Callable, Sequence

import msgspec

from collector.event import Event
from collector.glimpse import Glimpses, Ids, Origin


class Part(msgspec.Struct, frozen=True):
    """What some rule reads of the events with one name, besides position, time and IDs."""

    payload: tuple[str, ...] | None = ()
    """These fields of it; None: all of it."""
    rest: bool = False
    """Headers and key."""

    def payload_of(self, event: Event) -> str | None:
        """What is kept of the event's payload."""
        if self.payload == () or event.payload is None:
            return None
        if self.payload is None or event.encoding != "json":
            return event.payload
        return _only(self.payload)(event.payload)


class Interest(msgspec.Struct, frozen=True):
    """By event name."""

    names: dict[str, Part]
    keys: bool = False
    """Whether keys are looked at, too: where some of them tie."""
    others: Part = Part()
    """Of events with other names; mostly no more than that they are there."""

    def glimpses(self, events: Sequence[Event]) -> Glimpses:
        """In one loop, since it is done for every event that there is."""
        parts = {name: None if part == _NOTHING else part for name, part in self.names.items()}
        other = None if self.others == _NOTHING else self.others
        numbers: dict[tuple[str, str, str, int, str, str], int] = {}
        found: list[int] = []
        ids: list[Ids] = []
        bodies: list[bytes] = []
        for e in events:
            part, flows, encoding = parts.get(e.name, other), e.correlation_ids, "none"
            alone = len(flows) == 1 and not self.keys
            if part is None and alone:
                body = _encode((e.offset, e.time, e.arrival - e.time, e.id))
            else:
                payload = None if part is None else part.payload_of(e)
                if payload is not None:
                    encoding = e.encoding
                if alone and part is not None and not part.rest:
                    body = _encode((e.offset, e.time, e.arrival - e.time, e.id, payload))
                else:
                    rest = (e.key, e.headers) if part is not None and part.rest else ()
                    kept = (e.offset, e.time, e.arrival - e.time, e.id, payload)
                    body = _encode((*kept, None if alone else flows, *rest))
            bodies.append(body)
            ids.append(flows[0] if len(flows) == 1 else flows)
            origin = e.source, e.topic, e.topic_id, e.partition, e.name, encoding
            number = numbers.get(origin)
            if number is None:
                number = numbers[origin] = len(numbers)
            found.append(number)
        origins = [Origin(*origin) for origin in numbers]
        keys = [e.keys for e in events] if self.keys else []
        return Glimpses(origins, found, [e.time for e in events], ids, bodies, keys)


_NOTHING = Part()
_encode = msgspec.msgpack.Encoder().encode


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
