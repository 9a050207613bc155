"""What Kafka's own topic of commits says: who committed what, and when, in the order of its log.

A record of it is a commit where its key is of version 0 or 1; the others (groups and their members,
of whatever protocol) are told better by asking for them. A commit within a transaction counts from
the marker on that commits it; one that is aborted never was.
"""

import struct
from collections.abc import Callable, Mapping, Sequence

from aiokafka.record.default_records import DefaultRecordBatch

from collector.consumers.batch_head import Head, heads
from collector.consumers.observation import ExactCommit, Place
from collector.times import US_PER_MS

_KEY_OF_COMMIT = (0, 1)
_VALUES = range(5)
"""Versions of a commit that are known: all of them begin with the offset."""
_VALUE = struct.Struct(">hq")
_MARKER = struct.Struct(">hh")
_COMMITTED = 1
REMEMBERED = 100_000
"""Keys of records that need not be read again."""

Of = tuple[str, Place]
"""A group, and a partition that it reads."""


class Keys:
    """Whose commit a record is; None where it is none, or of a group that is not wanted."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self._known: dict[bytes, Of | None] = {}

    def of(self, key: bytes) -> Of | None:
        try:
            return self._known[key]
        except KeyError:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._read(key)
            return found

    def _read(self, key: bytes) -> Of | None:
        if int.from_bytes(key[:2], "big") not in _KEY_OF_COMMIT:
            return None
        at, names = 2, []
        for _ in range(2):
            length = int.from_bytes(key[at : at + 2], "big")
            names.append(key[at + 2 : at + 2 + length].decode())
            at += 2 + length
        group, topic = names
        partition = int.from_bytes(key[at : at + 4], "big")
        return (group, Place(topic, partition)) if self._wanted(group) else None


class CommitLog:
    """One partition of that topic, from a position on. Read uncommitted: an open transaction of
    one group hides nothing of the others."""

    def __init__(self, position: int, keys: Keys) -> None:
        self.position = position
        self.whole = True
        """Nothing was left out since `take`: what was compacted away is seen by its offsets."""
        self._keys = keys
        self._found: dict[Of, list[ExactCommit]] = {}
        self._open: dict[int, dict[Of, tuple[int, int | None]]] = {}
        """What transactions will have committed, by producer: where it lies, and what."""

    def take(self) -> Mapping[Of, Sequence[ExactCommit]]:
        """What was committed since, in order."""
        found, self._found, self.whole = self._found, {}, True
        return found

    def read(self, batches: bytes) -> None:
        """From an answer to a fetch: its first batch may begin before the position, and its last
        may be cut off."""
        for head in heads(batches):
            if head.end > len(batches):
                return
            if head.old:
                # Nothing new is written so.
                self.whole, self.position = False, max(self.position, head.first + 1)
            elif head.last >= self.position:
                left_out = head.records != head.last - head.first + 1
                self.whole = self.whole and head.first <= self.position and not left_out
                self._read_batch(batches[head.begin : head.end], head)
                self.position = head.last + 1

    def _read_batch(self, batch: bytes, head: Head) -> None:
        for record in DefaultRecordBatch(batch):
            if record.offset < self.position or record.key is None:
                continue
            if head.control:
                self._end_transaction(head.producer, record.key, record.timestamp)
                continue
            of = self._keys.of(record.key)
            if of is None:
                continue
            committed: int | None = None
            if record.value is not None:
                version, committed = _VALUE.unpack_from(record.value)
                if version not in _VALUES:
                    self.whole = False
                    continue
            if head.transactional:
                self._open.setdefault(head.producer, {})[of] = record.offset, committed
            else:
                self._commit(of, record.offset, committed, record.timestamp)

    def _end_transaction(self, producer: int, key: bytes, timestamp: int) -> None:
        _, how = _MARKER.unpack_from(key)
        ended = self._open.pop(producer, {})
        if how == _COMMITTED:
            for of, (offset, committed) in ended.items():
                self._commit(of, offset, committed, timestamp)

    def _commit(self, of: Of, offset: int, committed: int | None, timestamp: int) -> None:
        """The later in the log counts: a transaction that commits after it changes it no more."""
        for pending in self._open.values():
            if of in pending and pending[of][0] < offset:
                del pending[of]
        moment = timestamp * US_PER_MS
        found = self._found.setdefault(of, [])
        found.append(ExactCommit(moment, moment + US_PER_MS, committed))


def thinned(found: Sequence[ExactCommit], most: int) -> Sequence[ExactCommit]:
    """No more than so many, the last among them: of several only the last is kept, which was not so
    by the time at which the first was not."""
    if len(found) <= most:
        return found
    size = -(-len(found) // most)
    parts = [found[max(0, end - size) : end] for end in range(len(found), 0, -size)]
    return [part[-1]._replace(not_by=part[0].not_by) for part in reversed(parts)]
