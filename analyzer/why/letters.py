"""Dead letters and retries: recognised by their headers, the name of their topic, or by rule files;
and tied back to the event that they are of, also where the correlation headers were lost."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

import msgspec

from analyzer.rules.services import Service
from collector.event import Event
from collector.times import US_PER_MS

Kind = Literal["dead_letter", "retry"]
Headers = Mapping[str, bytes]

DEAD_LETTER_TOPIC = re.compile(r"(.+?)[._-](?:DLT|DLQ|dlt|dlq|dead-?letters?)(?:[._-]\d+)?$")
RETRY_TOPIC = re.compile(r"(.+?)[._-](?:retry|RETRY)(?:[._-]?\d+)?$")
"""The first group is the topic that it is of, as far as the name tells."""


class Origin(NamedTuple):
    """Where the event lay that failed; None: that header is not there."""

    topic: str
    partition: int | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that failed, as it was put away or put off."""

    kind: Kind
    event: Event
    by: str
    """How it was recognised."""
    origin: Origin | None = None
    exception: str | None = None
    message: str | None = None
    attempt: int | None = None
    """The try that is to come, 2 for the first after the one that failed."""
    due: int | None = None
    """When that is to be; µs."""
    group: str | None = None
    """The consumer group that failed."""


class _Convention(NamedTuple):
    """Headers that one framework writes."""

    kind: Kind
    sign: str
    """The header without which it is none of these."""
    origin: tuple[str, str, str]
    exception: tuple[str, ...]
    message: str


CONVENTIONS = (
    _Convention(
        "dead_letter", "kafka_dlt-original-topic",
        ("kafka_dlt-original-topic", "kafka_dlt-original-partition", "kafka_dlt-original-offset"),
        ("kafka_dlt-exception-cause-fqcn", "kafka_dlt-exception-fqcn"),
        "kafka_dlt-exception-message",
    ),
    _Convention(
        "retry", "retry_topic-attempts",
        ("kafka_original-topic", "kafka_original-partition", "kafka_original-offset"),
        ("kafka_exception-cause-fqcn", "kafka_exception-fqcn"), "kafka_exception-message",
    ),
    _Convention(
        "dead_letter", "__connect.errors.topic",
        ("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset"),
        ("__connect.errors.exception.class.name",), "__connect.errors.exception.message",
    ),
    _Convention(
        "dead_letter", "__streams.errors.topic",
        ("__streams.errors.topic", "__streams.errors.partition", "__streams.errors.offset"),
        ("__streams.errors.exception",), "__streams.errors.message",
    ),
)  # fmt: skip
ATTEMPTS, DUE = "retry_topic-attempts", "retry_topic-backoff-timestamp"
GROUPS = ("kafka_dlt-original-consumer-group", "kafka_original-consumer-group")


def letter_of(event: Event, services: Sequence[Service]) -> Letter | None:
    """The letter that this event is; None where it is none. Where its topic tells what it is, that
    counts: one that is given up after retries has the headers of both."""
    headers = headers_of(event)
    topic = declared_kind(event.topic, services) or kind_by_name(event.topic)
    for convention in CONVENTIONS:
        if convention.sign in headers:
            kind: Kind = "retry" if ATTEMPTS in headers else convention.kind
            return _written(topic or kind, convention, event, headers)
    if topic is None:
        return None
    declared = declared_kind(event.topic, services) is not None
    by = "declared in `services`" if declared else "the topic's name"
    return Letter(topic, event, by, _named_origin(event.topic))


def is_letter_topic(topic: str, services: Sequence[Service]) -> bool:
    return declared_kind(topic, services) is not None or kind_by_name(topic) is not None


def declared_kind(topic: str, services: Sequence[Service]) -> Kind | None:
    for service in services:
        if any(fnmatchcase(topic, glob) for glob in service.dead_letter):
            return "dead_letter"
        if any(fnmatchcase(topic, glob) for glob in service.retry):
            return "retry"
    return None


def kind_by_name(topic: str) -> Kind | None:
    if DEAD_LETTER_TOPIC.match(topic):
        return "dead_letter"
    return "retry" if RETRY_TOPIC.match(topic) else None


def tied_by(letter: Letter, cause: Event) -> str | None:
    """By what it belongs to this event: `origin`, `event id`, `payload`, `key`; None: it does not.

    One that says where it comes from is believed.
    """
    origin, event = letter.origin, letter.event
    if event.source != cause.source or event.position() == cause.position():
        return None
    if origin is not None and origin.offset is not None:
        here = (cause.topic, cause.partition, cause.offset)
        return "origin" if here == tuple(origin) else None
    if event.id is not None:
        return "event id" if event.id == cause.id else None
    if origin is not None and origin.topic != cause.topic:
        return None
    if event.key is None or event.key != cause.key:
        return None
    if event.payload is None or cause.payload is None:
        return "key"
    return "payload" if event.payload == cause.payload else None


def ties(letters: Iterable[Letter], cause: Event) -> list[tuple[Letter, str]]:
    """Those that belong to this event, or to another of them, and by what; the first try first."""
    found: list[tuple[Letter, str]] = []
    left, causes = list(letters), [cause]
    while causes:
        edge = causes.pop()
        for letter in list(left):
            if (by := tied_by(letter, edge)) is not None:
                left.remove(letter)
                found.append((letter, by))
                causes.append(letter.event)
    return sorted(found, key=lambda one: (one[0].attempt or 0, one[0].event.arrival))


def headers_of(event: Event) -> Headers:
    """The last of each name: frameworks that repeat a header add the newest at the end."""
    pairs = msgspec.json.decode(event.headers, type=list[tuple[str, Any]])
    return {name: _raw(value) for name, value in pairs}


def _raw(value: Any) -> bytes:
    if isinstance(value, dict):
        return bytes.fromhex(str(value.get("hex", "")))
    return str(value).encode()


def _written(kind: Kind, convention: _Convention, event: Event, headers: Headers) -> Letter:
    topic, partition, offset = (headers.get(name) for name in convention.origin)
    origin = None
    if topic is not None:
        origin = Origin(topic.decode(errors="replace"), number(partition), number(offset))
    exception = next((headers[name] for name in convention.exception if name in headers), None)
    due = number(headers.get(DUE))
    return Letter(
        kind, event, f"header {convention.sign}", origin or _named_origin(event.topic),
        _text(exception), _text(headers.get(convention.message)), number(headers.get(ATTEMPTS)),
        None if due is None else due * US_PER_MS,
        _text(next((headers[name] for name in GROUPS if name in headers), None)),
    )  # fmt: skip


def _named_origin(topic: str) -> Origin | None:
    match = DEAD_LETTER_TOPIC.match(topic) or RETRY_TOPIC.match(topic)
    return None if match is None else Origin(match[1], None, None)


def number(raw: bytes | None) -> int | None:
    """As text, or as Java writes it: big-endian bytes."""
    if not raw or len(raw) > 20:
        return None
    if raw.isdigit():
        return int(raw)
    text = raw.isascii() and raw.decode().isprintable()
    return None if text or len(raw) > 8 else int.from_bytes(raw)


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="replace")[:1_000]
