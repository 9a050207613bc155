"""Guards: CEL conditions over an event and its cause, compiled once to a Python function."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from analyzer.cel import Environment, compile_cel
from analyzer.cel_values import FieldMissing
from collector.event import Event

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MISSING = object()


class Guard:
    """A compiled condition, or a path. A field that is not there makes it false, and is counted."""

    __slots__ = ("_evaluate", "missing", "text")

    def __init__(self, text: str, evaluate: Callable[[Environment], Any]) -> None:
        self.text = text
        self._evaluate = evaluate
        self.missing = 0
        """How often a field was not there, or was of another type than the guard needs."""

    def __call__(self, event: Event, cause: Event | None) -> bool:
        return self._run(event, cause) is True

    def value(self, event: Event) -> object:
        """What is at the path in this event; MISSING where nothing is."""
        return self._run(event, None)

    def _run(self, event: Event, cause: Event | None) -> object:
        environment: Environment = {"event": EventView(event)}
        if cause is not None:
            environment["cause"] = EventView(cause)
        try:
            return self._evaluate(environment)
        except (FieldMissing, TypeError, ValueError, ArithmeticError, RecursionError):
            self.missing += 1
            return MISSING


def compile_guard(text: str) -> Guard:
    """Raises GuardError, which says what is wrong and at which column."""
    return Guard(text, compile_cel(text, frozenset(("event", "cause"))))


class EventView:
    """An event as CEL sees it: `.name .topic .time .key .id .headers['x'] .payload.x`."""

    __slots__ = ("_event",)

    FIELDS = frozenset(("name", "topic", "time", "key", "id", "headers", "payload"))

    def __init__(self, event: Event) -> None:
        self._event = event

    def field(self, name: str) -> object:
        event = self._event
        if name == "payload":
            return _document(event)
        if name == "headers":
            return _headers(event)
        if name == "time":
            return EPOCH + timedelta(microseconds=event.time)
        value = getattr(event, name) if name in self.FIELDS else None
        if value is None:
            raise FieldMissing(name)
        return value


def _document(event: Event) -> object:
    if event.payload is None or event.encoding != "json":
        raise FieldMissing("payload")
    return _decoded(event.payload)


@functools.lru_cache(maxsize=256)
def _decoded(payload: str) -> object:
    """A flow's rules ask for the same few payloads one after another."""
    return msgspec.json.decode(payload)


def _headers(event: Event) -> dict[str, object]:
    """Of repeated headers the first counts."""
    return dict(reversed(msgspec.json.decode(event.headers)))
