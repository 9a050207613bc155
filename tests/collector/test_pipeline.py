"""The pipeline: what belongs together lands together, and what fails stops it."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.batch import Batch, PartitionState, Stage
from collector.consumers.observation import WatchRow
from collector.event import Event
from collector.pipeline import COMMITS, UNSTORED, Pipeline
from collector.store import reading
from collector.store.store import Store
from collector.store.tables import WATCHES
from collector.times import US_PER_S
from tests.collector.busy import busy
from tests.collector.records import NOW


def event(offset: int) -> Event:
    return Event("bus", "orders", "orders-id", 0, offset, NOW, NOW, "order.created", ("c",))


def batch(first: int, count: int, now: int = NOW, **flags: bool) -> Batch:
    state = PartitionState("bus", "orders", "orders-id", 0, first + count, 0, complete_to=now)
    made = [event(offset) for offset in range(first, first + count)]
    return Batch(events=made, partitions=[state], now=now, **flags)


class Scripted:
    """A tap that hands over what it was given, then waits for ever (or fails)."""

    paced = False

    def __init__(self, name: str, batches: Sequence[Batch], end: Exception | None = None) -> None:
        self.name = name
        self.left = list(batches)
        self._end = end

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def poll(self) -> Batch:
        if self.left:
            return self.left.pop(0)
        if self._end is not None:
            raise self._end
        await asyncio.Event().wait()
        raise AssertionError


class Look:
    """A stage that remembers the offsets that passed it."""

    name = "look"

    def __init__(self, fails_at: int | None = None) -> None:
        self.seen: list[int] = []
        self._fails_at = fails_at

    def process(self, batch: Batch) -> None:
        offsets = [one.offset for one in batch.events]
        if self._fails_at in offsets:
            raise RuntimeError(f"cannot pass {self._fails_at}")
        self.seen += offsets


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.duckdb")
    yield opened
    opened.close()


def contents(store: Store) -> tuple[list[int], list[int]]:
    """Stored offsets, and where each partition goes on: of one moment."""
    with store.reader() as cursor:
        events = [one.offset for one in reading.events(cursor, "ORDER BY seq")]
        return events, [one.next_offset for one in reading.partitions(cursor)]


async def run(
    taps: Sequence[Scripted], stages: Sequence[Stage], store: Store, until: int
) -> list[tuple[list[int], list[int]]]:
    """Runs until the partition's state says `until`; what the store held after each commit."""
    seen: list[tuple[list[int], list[int]]] = []
    reached = asyncio.Event()

    def committed(_: Batch) -> None:
        seen.append(contents(store))
        if until in seen[-1][1]:
            reached.set()

    running = asyncio.ensure_future(Pipeline(taps, stages, store, committed, lambda: 10**15).run())
    reaching = asyncio.ensure_future(reached.wait())
    await asyncio.wait([running, reaching], return_when=asyncio.FIRST_COMPLETED, timeout=30)
    for task in (running, reaching):
        task.cancel()
    results = await asyncio.gather(running, return_exceptions=True)
    if isinstance(results[0], BaseExceptionGroup):
        raise results[0]
    assert reached.is_set()
    return seen


async def test_events_and_offsets_of_a_batch_are_seen_together_or_not_at_all(store: Store) -> None:
    look = Look()
    steps = [batch(0, 3), batch(3, 2), batch(5, 4)]
    seen = await run([Scripted("a", steps)], [look], store, until=9)
    for offsets, (next_offset,) in seen:
        assert offsets == list(range(next_offset))
    assert look.seen == list(range(9))


async def test_what_the_stages_add_is_in_the_same_transaction(store: Store) -> None:
    class Note:
        name = "note"

        def process(self, batch: Batch) -> None:
            batch.gaps.clear()
            for one in batch.events:
                one.key = f"seen at {batch.now}"

    first, second = Look(), Look()
    await run([Scripted("a", [batch(0, 2)])], [first, Note(), second], store, until=2)
    with store.reader() as cursor:
        assert [e.key for e in reading.events(cursor)] == [f"seen at {NOW}"] * 2
    assert first.seen == second.seen == [0, 1]


async def test_a_stage_that_fails_stops_everything_and_stores_nothing_of_its_batch(
    store: Store,
) -> None:
    steps = [batch(0, 3), batch(3, 3), batch(6, 3)]
    with pytest.raises(BaseExceptionGroup) as failed:
        await run([Scripted("a", steps)], [Look(fails_at=4)], store, until=99)
    assert failed.group_contains(RuntimeError, match="cannot pass 4")
    assert contents(store)[0] in ([], [0, 1, 2])


async def test_a_tap_that_fails_stops_everything(store: Store) -> None:
    with pytest.raises(BaseExceptionGroup) as failed:
        await run([Scripted("a", [], OSError("gone"))], [], store, until=99)
    assert failed.group_contains(OSError, match="gone")


async def test_a_commit_that_fails_stops_everything(store: Store) -> None:
    unstorable = batch(0, 1)
    unstorable.events[0].partition = 2**40
    steps = [unstorable, batch(1, 1), batch(2, 1)]
    with pytest.raises(BaseExceptionGroup):
        await run([Scripted("a", steps)], [], store, until=3)
    assert contents(store) == ([], [])


async def test_positions_that_come_again_pass_no_stage_twice(store: Store) -> None:
    look = Look()
    steps = [batch(0, 3, may_repeat=True), batch(1, 4, may_repeat=True)]
    await run([Scripted("a", steps)], [look], store, until=5)
    assert look.seen == [0, 1, 2, 3, 4]
    assert contents(store)[0] == [0, 1, 2, 3, 4]


async def test_completeness_alone_is_written_about_once_a_second(store: Store) -> None:
    ticks = [batch(5, 0, NOW + tick * US_PER_S // 10) for tick in range(31)]
    ticks.append(batch(6, 1, NOW + 4 * US_PER_S))
    seen = await run([Scripted("a", ticks)], [], store, until=7)
    assert 3 <= len(seen) <= 5


async def test_how_far_a_source_is_seen_is_written_whatever_others_tell_all_the_time(
    store: Store,
) -> None:
    """Another source that is never quiet, and somebody who looks at consumers."""
    written: list[int] = []

    def committed(batch: Batch) -> None:
        written.extend(one.complete_to for one in batch.partitions if one.source == "bus")

    pipeline = Pipeline([], [], store, committed, lambda: 10**15)
    for tick in range(31):
        now = NOW + tick * US_PER_S // 10
        other = batch(tick, 1, now)
        other.partitions = [replace(one, source="other") for one in other.partitions]
        other.events = [replace(one, source="other") for one in other.events]
        looked = WatchRow("bus", NOW, now, US_PER_S // 10, ("*",))
        for one in (batch(5, 0, now), other, Batch(now=now, rows={WATCHES.name: [looked]})):
            await pipeline.take(one)
    await pipeline.settle()
    assert 3 <= len(written) <= 4
    assert written[-1] >= NOW + 2 * US_PER_S


async def test_taps_do_not_wait_for_each_other(store: Store) -> None:
    look = Look()
    quiet = Scripted("quiet", [])
    await run([quiet, Scripted("busy", [batch(0, 2)])], [look], store, until=2)
    assert look.seen == [0, 1]


@pytest.mark.parametrize(("size", "passed"), [(10, COMMITS), (UNSTORED, 1), (UNSTORED // 2, 2)])
async def test_stages_go_on_while_some_batches_wait_for_the_store(
    store: Store, size: int, passed: int
) -> None:
    look = Look()
    pipeline = Pipeline([], [look], store, lambda _: None, lambda: 10**15)
    with busy(store):
        for number in range(passed):
            await asyncio.wait_for(pipeline.take(batch(number * size, size)), 10)
        one_more = asyncio.ensure_future(pipeline.take(batch(passed * size, size)))
        await asyncio.wait([one_more], timeout=0.2)
        assert not one_more.done()
    await one_more
    await pipeline.settle()
    assert look.seen == contents(store)[0] == list(range((passed + 1) * size))


async def test_of_what_could_not_be_stored_nobody_says_that_it_was(store: Store) -> None:
    pipeline = Pipeline([], [], store, lambda _: None, lambda: 10**15)
    unstorable = batch(0, 1)
    unstorable.events[0].partition = 2**40
    with busy(store):
        await pipeline.take(unstorable)
        await pipeline.take(batch(1, 1))
    for _ in range(2):
        with pytest.raises(Exception, match=r"int32|too large"):
            await pipeline.all_stored()
    with pytest.raises(Exception, match=r"int32|too large"):
        await pipeline.take(Batch(now=NOW))
    assert contents(store) == ([], [])


@pytest.mark.parametrize("stop", ["at once", "after the commit"])
async def test_stopping_loses_nothing_that_was_taken(store: Store, stop: str) -> None:
    pipeline = Pipeline([], [], store, lambda _: None, lambda: 10**15)
    await pipeline.take(batch(0, 3))
    if stop == "after the commit":
        await pipeline.settle()
    else:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task.get_coro().__name__ == "_announce":  # type: ignore[union-attr]  # a coroutine
                task.cancel()
    store.close()
    again = Store(store.path)
    assert contents(again) == ([0, 1, 2], [3])
    again.close()


async def test_that_a_partition_is_no_longer_read_is_stored_though_nothing_else_came(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "retired.duckdb")
    try:
        pipeline = Pipeline([], [], store, lambda _: None, lambda: 10**15)
        await pipeline.take(Batch(now=1))
        gone = PartitionState("s", "t", "t", 0, 5, 0, retired=True)
        await pipeline.take(Batch(now=2, partitions=[gone]))
        await pipeline.settle()
        with store.reader() as cursor:
            assert [state.retired for state in reading.partitions(cursor)] == [True]
    finally:
        store.close()
