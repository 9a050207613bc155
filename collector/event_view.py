"""An event as CEL sees it, in guards and in what a topic's settings ignore."""

import functools
from datetime import UTC, datetime, timedelta

import msgspec

from collector.cel_values import FieldMissing
from collector.event import Event
from collector.payload import document

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHORT = 300
"""Payloads up to this are decoded sooner than they are looked up among those remembered."""
REMEMBERED = 64_000
"""Longer payloads are not kept decoded: a few hundred of them would fill the memory."""


class EventView:
    """`.name .topic .time .key .id .headers['x'] .payload.x`; what is not there is missing."""

    __slots__ = ("_event",)

    FIELDS = frozenset(("name", "topic", "time", "key", "id", "headers", "payload"))

    def __init__(self, event: Event) -> None:
        self._event = event

    def field(self, name: str) -> object:
        event = self._event
        if name == "payload":
            return self.payload()
        if name == "headers":
            return _headers(event)
        if name == "time":
            return EPOCH + timedelta(microseconds=event.time)
        value = getattr(event, name) if name in self.FIELDS else None
        if value is None:
            raise FieldMissing(name)
        return value

    def payload(self) -> object:
        """The document that the payload tells."""
        return payload_of(self._event)


def payload_of(event: Event) -> object:
    """The document that an event's payload tells; FieldMissing where there is none."""
    text = event.payload
    if text is None:
        raise FieldMissing("payload")
    try:
        if not SHORT < len(text) <= REMEMBERED:
            return document(text, event.encoding)
        return _remembered(text, event.encoding)
    except LookupError:
        raise FieldMissing("payload") from None


@functools.lru_cache(maxsize=256)
def _remembered(payload: str, encoding: str) -> object:
    """A flow's rules ask for the same few payloads one after another."""
    return document(payload, encoding)


def _headers(event: Event) -> dict[str, object]:
    """Of repeated headers the first counts."""
    return dict(reversed(msgspec.json.decode(event.headers)))
