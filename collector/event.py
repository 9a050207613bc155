"""An event: one record of a bus, as it is stored and as it is judged."""

from operator import attrgetter

import msgspec
from xxhash import xxh3_64_intdigest


class Event(msgspec.Struct, gc=False, array_like=True):
    """One record. Its position (source, topic ID, partition, offset) is its identity.

    `gc=False`: events hold no cycles, and millions of them would keep the collector busy.
    `array_like`: between processes they cross as values without names.
    """

    source: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    time: int
    """When it happened, by its own account, in µs; the record's time where that is no account."""
    arrival: int
    """When the tap read it, in µs."""
    name: str
    """`""` where neither header, payload nor topic gave one."""
    correlation_ids: tuple[str, ...] = ()
    id: str | int | None = None
    """In memory, where no rule reads it, the number that tells copies apart."""
    keys: tuple[tuple[str, str], ...] = ()
    key: str | None = None
    headers: str = "[]"
    """A JSON list of [key, value]; a value that is not UTF-8 is {"hex": "…"}."""
    payload: str | None = None
    """None for a tombstone, and for events in memory whose payload no rule reads."""
    encoding: str = "none"
    """What `payload` holds: json, text, hex (not UTF-8), none."""
    problems: tuple[str, ...] = ()
    """Why something could not be read as declared: `bad-json`, `time-implausible`, …"""
    seq: int = 0
    """Its place in the store, ascending in the order of storing; 0 before that."""

    def occurrence(self) -> int | None:
        """What tells copies apart: those of one occurrence have the same, by the ID."""
        return occurrence(self.id) if isinstance(self.id, str) else self.id

    def position(self) -> str:
        """Its identity as one string: the same on every machine that taps this bus."""
        return f"{self.source}/{self.topic_id}/{self.partition}/{self.offset}"


def occurrence(id: str) -> int:
    """64 bits of an event's ID: a quarter of the memory, for a million of open flows. Whoever tells
    copies apart goes by these, so that live and `why` never differ."""
    return xxh3_64_intdigest(id.encode())


ORDER = attrgetter("time", "source", "topic", "partition", "offset")
"""The order within a flow. Arrival is never a key; as a sort's key it costs no call of Python's."""
