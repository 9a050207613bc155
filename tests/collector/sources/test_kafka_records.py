"""Records by whole batches are those that the client library gives one by one.

Held against the library's own way, so that a release that works otherwise fails here.
"""

import struct
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.record._crecords.cutil import crc32c_cython
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from collector.sources import kafka_records
from collector.sources.kafka_records import Answers, Run

TP = TopicPartition("orders", 3)
CONTROL, CRC_AT, AFTER_CRC = 0x20, 17, 21
ABORT, COMMIT = 0, 1

kept_offsets = st.lists(st.booleans(), min_size=1, max_size=6)
"""Which offsets of a batch compaction has left."""
made = st.one_of(
    st.tuples(st.just("plain"), st.just(0), kept_offsets),
    st.tuples(st.just("sent"), st.integers(1, 3), kept_offsets),
    st.tuples(st.just("ended"), st.integers(1, 3), st.sampled_from([ABORT, COMMIT])),
)
# The library's parser takes a whole answer for the format of its first batch.
logs = st.lists(made, max_size=12) | st.lists(
    st.tuples(st.just("old"), st.just(0), kept_offsets), max_size=4
)


def batch(base: int, kept: list[bool], producer: int, codec: int) -> bytes:
    """As a broker has it; its last offset stays known when the last record is compacted away."""
    codec = codec if any(kept) else 0
    builder = DefaultRecordBatchBuilder(2, codec, producer > 0, producer or -1, 0, 0, 1 << 20)
    for at, there in enumerate(kept):
        if there:
            key = None if at % 3 == 2 else b"k%d" % at
            value = None if at % 4 == 3 else b"v" * 50
            builder.append(at, 1_700_000_000_000 + at, key, value, [("h", b"%d" % at), ("n", None)])
    return sealed(builder, base, len(kept) - 1)


def marker(base: int, producer: int, kind: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, True, producer, 0, 0, 1 << 20)
    builder.append(0, 1_700_000_000_000, struct.pack(">hh", 0, kind), b"", [])
    return sealed(builder, base, 0, CONTROL)


def sealed(builder: Any, base: int, last: int, attributes: int = 0) -> bytes:
    raw = bytearray(builder.build())
    struct.pack_into(">q", raw, 0, base)
    (found,) = struct.unpack_from(">h", raw, AFTER_CRC)
    struct.pack_into(">hi", raw, AFTER_CRC, found | attributes, last)
    struct.pack_into(">I", raw, CRC_AT, crc32c_cython(bytes(raw[AFTER_CRC:])))
    return bytes(raw)


def old_batch(base: int, kept: list[bool], codec: int) -> bytes:
    builder = LegacyRecordBatchBuilder(1, codec, 1 << 20)
    for at, there in enumerate(kept):
        if there:
            builder.append(base + at, 1_600_000_000_000 + at, b"k", b"v" * 30, [])
    return bytes(builder.build())


class Log:
    """A partition's batches, and the transactions in it that were aborted."""

    def __init__(self, steps: list[tuple[str, int, Any]], codec: int) -> None:
        self.raw = b""
        self.end = 0
        self.aborted: list[tuple[int, int]] = []
        begun: dict[int, int] = {}
        for kind, producer, what in steps:
            base = self.end
            self.end += 1 if kind == "ended" else len(what)
            if kind == "ended":
                self.raw += marker(base, producer, what)
                if producer in begun and what == ABORT:
                    self.aborted.append((producer, begun[producer]))
                begun.pop(producer, None)
            elif kind == "old":
                self.raw += old_batch(base, what, codec) if any(what) else b""
            else:
                begun.setdefault(producer, base)
                self.raw += batch(base, what, producer, codec)

    def records(self, start: int) -> PartitionRecords:
        """A broker hands out the whole batch in which `start` lies."""
        aborted = list(self.aborted)
        raw = MemoryRecords(self.raw)
        return PartitionRecords(TP, raw, aborted, start, None, None, True, READ_COMMITTED)


def by_runs(records: PartitionRecords) -> Any:
    """What the tap makes of an answer that the library keeps."""
    answers = Answers()
    answers[TP] = FetchResult(TP, assignment=None, partition_records=records, backoff=0)
    return answers[TP]._partition_records


def plain(record: Any) -> tuple[Any, ...]:
    headers = tuple(record.headers)
    return record.offset, record.timestamp, record.key, record.value, headers


@given(logs, st.integers(0, 3), st.integers(1, 4), st.data())
def test_they_are_the_same_records_whatever_was_aborted_or_compacted_away(
    steps: list[tuple[str, int, Any]], codec: int, most: int, data: st.DataObject
) -> None:
    log = Log(steps, codec)
    start = data.draw(st.integers(0, max(0, log.end - 1)), label="start")
    usual = log.records(start)
    expected = [plain(record) for record in usual]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kafka_records, "MOST_A_RUN", most)
        ours = by_runs(log.records(start))
        runs = [(run, ours.next_fetch_offset) for run in ours]
    found = []
    for run, following in runs:
        assert type(run) is Run
        assert 0 < len(run.records) <= most
        assert following == run.offset + 1, "who stops here goes on behind it"
        found += [plain(record) for record in run.records]
    assert found == expected
    assert ours.next_fetch_offset == usual.next_fetch_offset


def test_the_logs_of_the_property_hold_what_is_left_out_and_what_is_not() -> None:
    steps: list[tuple[str, int, Any]] = [
        ("plain", 0, [True, True]),
        ("sent", 1, [True, True]),
        ("sent", 2, [True, False]),
        ("ended", 1, ABORT),
        ("ended", 2, COMMIT),
        ("plain", 0, [True, True]),
    ]
    log = Log(steps, 3)
    found = [record.offset for run in by_runs(log.records(1)) for record in run.records]
    assert found == [1, 4, 8, 9]
    assert len(list(by_runs(log.records(0)))) == 3, "a run is a batch"
    old = Log([("old", 0, [True, True]), ("old", 0, [True])], 0)
    assert [len(run.records) for run in by_runs(old.records(0))] == [1, 1, 1]
