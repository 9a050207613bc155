"""Records that could not be decoded. What was awaited where they lie is not seen, not missing."""

from dataclasses import dataclass

from collector.batch import Gap

MARGIN = 60_000_000
"""µs. An event happened a little before its record was written; and records that follow within
this time need no gap of their own."""


@dataclass(slots=True)
class _Range:
    """Offsets and record times of records that could not be decoded, in one partition."""

    partition: int
    first_offset: int
    last_offset: int
    first_time: int
    last_time: int
    reason: str

    def covers(self, time: int) -> bool:
        return self.first_time <= time <= self.last_time + MARGIN


class Blind:
    """One topic's gaps of this kind. Between the offsets of a gap others may have been decoded."""

    def __init__(self, source: str, topic: str, topic_id: str) -> None:
        self._where = (source, topic, topic_id)
        self._fresh: list[_Range] = []
        self._last: dict[int, _Range] = {}

    def add(self, partition: int, offset: int, time: int, reason: str) -> None:
        """`time` is the record's, in µs."""
        last = self._last.get(partition)
        if last is not None and last.covers(time):
            if any(one is last for one in self._fresh):
                last.last_offset, last.last_time = offset, max(last.last_time, time)
            return
        fresh = _Range(partition, offset, offset, time, time, reason)
        self._last[partition] = fresh
        self._fresh.append(fresh)

    def take(self) -> list[Gap]:
        """What came since this was last asked; each covers a little more than its records."""
        taken, self._fresh = self._fresh, []
        source, topic, topic_id = self._where
        return [
            Gap(
                source, topic, topic_id, one.partition, one.first_offset, one.last_offset + 1,
                f"undecodable: {one.reason}", one.first_time - MARGIN, one.last_time + MARGIN,
            )
            for one in taken
        ]  # fmt: skip
