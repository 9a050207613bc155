"""An event: one record of a bus, as it is stored and as it is judged."""

from operator import attrgetter

import msgspec


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
    id: str | None = None
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

    def position(self) -> str:
        """Its identity as one string: the same on every machine that taps this bus."""
        return f"{self.source}/{self.topic_id}/{self.partition}/{self.offset}"


ORDER = attrgetter("time", "source", "topic", "partition", "offset")
"""The order within a flow. Arrival is never a key; as a sort's key it costs no call of Python's."""
