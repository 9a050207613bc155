"""Records as a bus would hand them over, and readers of them."""

from dataclasses import dataclass
from typing import Any

from collector.decode import Reader
from collector.event import Event
from collector.record import Headers
from collector.settings import SourceSettings
from collector.times import US_PER_MS, US_PER_S

NOW = 1_772_359_500 * US_PER_S
"""2026-03-01T10:05:00Z"""
STAMP = NOW // US_PER_MS - 2_000
"""A record's own time in ms, two seconds before it is read."""


@dataclass(frozen=True)
class Record:
    value: bytes | None = None
    headers: Headers = ()
    key: bytes | None = None
    timestamp: int = STAMP
    partition: int = 0
    offset: int = 7


def source(**settings: Any) -> SourceSettings:
    kafka = {"bootstrap": "localhost:9092", "topics": ["*"]}
    return SourceSettings.model_validate({"name": "bus", "kafka": kafka, **settings})


def reader(topic: str = "orders", **settings: Any) -> Reader:
    described = source(**settings)
    return Reader(described, topic, f"{topic}-id", described.special(topic))


def read(record: Record, **settings: Any) -> Event:
    return reader(**settings).event(record, NOW)
