"""Events as columns: what is left to do when they are stored is to number them.

A batch's time in Python goes here, so a tap in a process of its own does it there.
"""

import itertools
from collections.abc import Sequence

import pyarrow as pa

from collector.event import Event
from collector.store import blocks

US = pa.timestamp("us")


class Columns:
    """A batch's events, without the numbers that the store gives them."""

    __slots__ = ("blocks", "count", "lengths", "table")

    def __init__(self, table: pa.RecordBatch, lengths: list[int], blocks: list[bytes]) -> None:
        self.table = table
        self.lengths = lengths
        """How many events each block of payloads holds."""
        self.blocks = blocks
        self.count: int = table.num_rows

    @classmethod
    def of(cls, events: Sequence[Event]) -> "Columns":
        lengths, packed = blocks.pack(events)
        return cls(_table(events), lengths, packed)

    def topics(self) -> set[str]:
        return {str(topic) for topic in self.table.column("topic").dictionary.to_pylist()}

    def numbered(self, first: int) -> tuple[pa.Table, pa.Table]:
        """The rows of `events` and of `payloads`, when the first event has this number."""
        starts = list(itertools.accumulate(self.lengths, initial=first))[:-1]
        of_events = [start for start, n in zip(starts, self.lengths, strict=True) for _ in range(n)]
        numbers = pa.array(range(first, first + self.count), pa.int64())
        events = pa.Table.from_batches([self.table])
        events = events.append_column("seq", numbers)
        events = events.append_column("block", pa.array(of_events, pa.int64()))
        payloads = [pa.array(starts, pa.int64()), pa.array(self.blocks, pa.binary())]
        return events, pa.Table.from_arrays(payloads, ["block", "data"])


def _table(events: Sequence[Event]) -> pa.RecordBatch:
    """Its columns are those of the table `events`, in their order, up to `seq`."""
    columns: dict[str, pa.Array] = {
        "source": _few([e.source for e in events]),
        "topic": _few([e.topic for e in events]),
        "topic_id": _few([e.topic_id for e in events]),
        "partition": pa.array([e.partition for e in events], pa.int32()),
        "offset": pa.array([e.offset for e in events], pa.int64()),
        "time": pa.array([e.time for e in events], pa.int64()).view(US),
        "arrival": pa.array([e.arrival for e in events], pa.int64()).view(US),
        "name": _few([e.name for e in events]),
        "correlation_ids": _lists([e.correlation_ids for e in events]),
        "id": pa.array([e.id for e in events], pa.string()),
        "keys": _maps([e.keys for e in events]),
        "key": pa.array([e.key for e in events], pa.string()),
        "encoding": _few([e.encoding for e in events]),
        "problems": _lists([e.problems for e in events]),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _few(values: Sequence[str]) -> pa.Array:
    """A column of few distinct values, often of one."""
    codes = {value: code for code, value in enumerate(dict.fromkeys(values))}
    if len(codes) == 1:
        column = pa.repeat(pa.scalar(0, pa.int32()), len(values))
    else:
        column = pa.array([codes[value] for value in values], pa.int32())
    return pa.DictionaryArray.from_arrays(column, pa.array(list(codes), pa.string()))


def _lists(values: Sequence[tuple[str, ...]]) -> pa.Array:
    flat = pa.array(list(itertools.chain.from_iterable(values)), pa.string())
    return pa.ListArray.from_arrays(_offsets(values), flat)


def _maps(values: Sequence[tuple[tuple[str, str], ...]]) -> pa.Array:
    pairs = list(itertools.chain.from_iterable(values))
    names = _few([name for name, _ in pairs]).dictionary_decode()
    items = pa.array([value for _, value in pairs], pa.string())
    return pa.MapArray.from_arrays(_offsets(values), names, items)


def _offsets(values: Sequence[Sequence[object]]) -> pa.Array:
    if not any(values):
        return pa.repeat(pa.scalar(0, pa.int32()), len(values) + 1)
    return pa.array(list(itertools.accumulate(map(len, values), initial=0)), pa.int32())
