"""Records straight from the client library's parser, a whole batch at a time.

The library makes an object of Python's own for each record, through a generator: half of what it
costs to read. Which batches count (aborted transactions, markers, checksums, what lies before the
offset that was asked for) stays the library's to say: it is given a batch as if that were one
record. This leans on the inside of aiokafka 0.14: `PartitionRecords`, and the results that its
fetcher keeps; tests/bus/test_kafka_records.py holds what comes of it against the usual way.
"""

# The library's class that one of these extends is untyped.
# mypy: allow-untyped-calls

from collections import OrderedDict
from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords

from collector.record import Record

MOST_A_RUN = 2_000
"""A batch that was compressed well may hold a million records, and memory is bounded."""

Fetched = dict[TopicPartition, list[Record]]


class Run:
    """Records of one batch, all but of a huge one; the library looks at the offset of the last."""

    __slots__ = ("offset", "records")

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self.offset = records[-1].offset


class _Batch:
    """A batch as the library's parser knows it, but for what iterating over it gives."""

    __slots__ = ("_batch",)

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)  # the one record of a marker

    def __iter__(self) -> Iterator[Run]:
        records = chain(self._batch)  # the parser's own can neither be gone on with nor end twice
        while some := list(islice(records, MOST_A_RUN)):
            yield Run(some)


class _Batches:
    """An answer's batches; the rest of what the library asks of it."""

    __slots__ = ("_batches", "has_next")

    def __init__(self, batches: Any) -> None:
        self._batches = batches
        self.has_next = batches.has_next

    def next_batch(self) -> _Batch:
        return _Batch(self._batches.next_batch())


class _Runs(PartitionRecords):
    """One answer's records, by runs."""

    def __init__(self, usual: PartitionRecords) -> None:
        super().__init__(
            usual._tp,
            _Batches(usual._records),
            usual._aborted_transactions,
            usual.next_fetch_offset,
            None,
            None,
            usual._check_crcs,
            usual._isolation_level,
        )

    def _consumer_record(self, tp: TopicPartition, run: Run) -> Run:
        """A batch may begin before the offset that was asked for."""
        first = self.next_fetch_offset
        if run.records[0].offset >= first:
            return run
        return Run([record for record in run.records if record.offset >= first])


class Answers(OrderedDict[TopicPartition, Any]):
    """What a fetcher keeps until it is taken; put in the place of its own."""

    def __setitem__(self, tp: TopicPartition, answer: Any) -> None:
        if type(answer) is FetchResult:
            answer._partition_records = _Runs(answer._partition_records)
        super().__setitem__(tp, answer)


async def take(fetcher: Any, some: Collection[TopicPartition], wait_s: float, most: int) -> Fetched:
    """The next records of `some` partitions, or of all: about `most`; waits for the first."""
    fetched: Fetched = {}
    # To wait, and to raise what went wrong, is the library's; it hands out one run of one
    # partition, and from there on nothing is waited for.
    for tp, runs in (await fetcher.fetched_records(some, wait_s, max_records=1)).items():
        fetched[tp] = [record for run in runs for record in run.records]
        most -= len(fetched[tp])
    for tp, answer in list(fetcher._records.items()) if fetched else ():
        if most <= 0:
            break
        if type(answer) is not FetchResult or (some and tp not in some):
            continue
        records = fetched.setdefault(tp, [])
        room = most + len(records)
        while len(records) < room and (run := answer.getone()) is not None:
            records += run.records
        most = room - len(records)
        if not answer.has_more():
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
        if not records:
            del fetched[tp]
    return fetched
