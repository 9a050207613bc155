"""What the stages look at in an event: the rest of it is stored, and not kept in memory."""

import msgspec

from collector.event import Event


class Part(msgspec.Struct, frozen=True):
    """What some rule reads of the events with one name, besides position, time and IDs."""

    payload: bool = False
    rest: bool = False
    """Headers and key."""


class Interest(msgspec.Struct, frozen=True):
    """By event name. Events with other names are no business of the stages."""

    names: dict[str, Part]

    def slim(self, events: list[Event]) -> list[Event]:
        """Copies of the events of interest with nothing more in them than is read."""
        found = []
        for event in events:
            part = self.names.get(event.name)
            if part is None:
                continue
            slim = Event(
                event.source, event.topic, event.topic_id, event.partition, event.offset,
                event.time, event.arrival, event.name, event.correlation_ids, event.id, event.keys,
            )  # fmt: skip
            if part.payload:
                slim.payload, slim.encoding = event.payload, event.encoding
            if part.rest:
                slim.headers, slim.key = event.headers, event.key
            found.append(slim)
        return found
