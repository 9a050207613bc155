"""What the stages look at in an event: the rest of it is stored, and not kept in memory."""

import functools
from collections.abc import Callable, Sequence

import msgspec

from collector.event import Event, occurrence
from collector.glimpse import Glimpses, Ids, Origin


class Part(msgspec.Struct, frozen=True):
    """What some rule reads of the events with one name, besides position, time and IDs."""

    payload: tuple[str, ...] | None = ()
    """These fields of it; None: all of it."""
    rest: bool = False
    """Headers and key."""
    id: bool = False
    """The ID itself. Else it is enough to tell copies apart."""

    def payload_of(self, event: Event) -> str | list[str | None] | None:
        """What is kept of the event's payload: its text, or that of each field."""
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
        numbers: dict[tuple[str, str, str, int, str, str, tuple[str, ...]], int] = {}
        no_fields: tuple[str, ...] = ()
        found: list[int] = []
        ids: list[Ids] = []
        bodies: list[bytes] = []
        for e in events:
            part, flows, encoding = parts.get(e.name, other), e.correlation_ids, "none"
            alone, fields = len(flows) == 1 and not self.keys, no_fields
            id = e.id
            if type(id) is str and (part is None or not part.id):
                id = occurrence(id)
            if part is None and alone:
                body = _encode((e.offset, e.time, e.arrival - e.time, id))
            else:
                payload = None if part is None else part.payload_of(e)
                if payload is not None:
                    encoding = e.encoding
                if part is not None and type(payload) is list:
                    fields = part.payload or no_fields
                if alone and part is not None and not part.rest:
                    body = _encode((e.offset, e.time, e.arrival - e.time, id, payload))
                else:
                    rest = (e.key, e.headers) if part is not None and part.rest else ()
                    kept = (e.offset, e.time, e.arrival - e.time, id, payload)
                    body = _encode((*kept, None if alone else flows, *rest))
            bodies.append(body)
            ids.append(flows[0] if len(flows) == 1 else flows)
            origin = e.source, e.topic, e.topic_id, e.partition, e.name, encoding, fields
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
def _only(fields: tuple[str, ...]) -> Callable[[str], str | list[str | None]]:
    """The values of these fields of a JSON object, each as it was written; what is no object
    stays."""
    members = [
        (
            f"f{number}",
            msgspec.Raw | msgspec.UnsetType,
            msgspec.field(default=msgspec.UNSET, name=f),
        )
        for number, f in enumerate(fields)
    ]
    kept = msgspec.defstruct("Kept", members, gc=False)
    decode, values = msgspec.json.Decoder(kept).decode, msgspec.structs.astuple

    def only(payload: str) -> str | list[str | None]:
        try:
            found = values(decode(payload))
        except (msgspec.DecodeError, RecursionError):
            return payload
        return [None if value is msgspec.UNSET else str(value, "utf-8") for value in found]

    return only
