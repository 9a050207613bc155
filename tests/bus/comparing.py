"""A store held against its bus: what the topics say when they are read cleanly, in peace."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from collector.batch import Gap
from collector.event import Event
from collector.store import reading
from collector.store.store import Store
from collector.times import US_PER_MS
from tests.bus.reading import Record

Place = tuple[str, int]
"""Topic and partition."""
STAMPED_BEFORE_APPENDED_MS = 1_000
"""A broker stamps a record, then appends it: much less than this, unless the machine is asleep.
The rules' `grace` is longer."""


@dataclass
class Stored:
    """What lies in the file of a daemon that has ended."""

    events: list[Event]
    gaps: list[Gap]
    next_offsets: dict[Place, int]

    @classmethod
    def of(cls, path: Path) -> Stored:
        store = Store(path, read_only=True)
        try:
            with store.reader() as cursor:
                events = [event for some in reading.all_events(cursor) for event in some]
                states = [one for one in reading.partitions(cursor) if not one.retired]
                next_offsets = {(one.topic, one.partition): one.next_offset for one in states}
                return cls(events, reading.gaps(cursor), next_offsets)
        finally:
            store.close()

    def incarnations(self, topic: str) -> list[dict[tuple[int, int], str | None]]:
        """For each ID of the topic, in the order of their coming: payloads by position."""
        found: dict[str, dict[tuple[int, int], str | None]] = {}
        for event in self.events:
            if event.topic == topic:
                found.setdefault(event.topic_id, {})[event.partition, event.offset] = event.payload
        return list(found.values())

    def twice(self) -> int:
        """How many events have a position that another one has."""
        return len(self.events) - len({event.position() for event in self.events})


def payloads(records: list[Record]) -> dict[tuple[int, int], str | None]:
    """Records as `incarnations` tells them."""
    return {(r.partition, r.offset): r.value.decode() for r in records if r.value is not None}


@dataclass
class Seen:
    """What the daemon said of its partitions, moment by moment: (position, complete to, µs)."""

    said: dict[Place, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def went_back(self) -> list[Place]:
        """Partitions whose position or completeness fell, restarts or not."""
        return [
            place
            for place, said in self.said.items()
            if any(p > q or c > d for (p, c), (q, d) in pairwise(said))
        ]

    def beyond(self, records: list[Record]) -> list[tuple[Place, int, int]]:
        """Where completeness passed a record, of these, that had not been read by then.

        Topics whose records the broker stamps: what comes later is not older.
        """
        by_place: dict[Place, list[Record]] = defaultdict(list)
        for record in records:
            by_place[record.topic, record.partition].append(record)
        found = []
        for place, said in self.said.items():
            ordered = sorted(by_place[place], key=lambda record: record.offset)
            offsets = [record.offset for record in ordered]
            # The oldest record from there on.
            oldest = [record.timestamp for record in ordered]
            for at in range(len(oldest) - 2, -1, -1):
                oldest[at] = min(oldest[at], oldest[at + 1])
            for position, complete_to in said:
                at = bisect_left(offsets, position)
                if at < len(oldest):
                    claimed = complete_to // US_PER_MS - STAMPED_BEFORE_APPENDED_MS
                    if oldest[at] < claimed:
                        found.append((place, position, claimed - oldest[at]))
        return found
