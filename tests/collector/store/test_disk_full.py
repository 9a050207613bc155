"""A disk without room: in a commit and in a checkpoint. Nothing is lost, nothing twice."""

import contextlib
import logging
import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collector.batch import Batch, PartitionState
from collector.errors import StoreError
from collector.event import Event
from collector.store import reading
from collector.store import store as stores
from collector.store.notes import note
from collector.store.store import Store
from tests.small_disk import a_disk

PATIENCE_S = 30


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    with a_disk(tmp_path / "small", "16m") as place:
        yield place


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "RETRY_S", 0.05)


def batch(number: int) -> Batch:
    """500 events of half a kilobyte that no compression makes smaller."""
    rng = random.Random(number)
    first = number * 500
    events = [
        Event("s", "t", "t", 0, first + n, 1, 1, "n", payload=rng.randbytes(250).hex())
        for n in range(500)
    ]
    return Batch(events=events, partitions=[PartitionState("s", "t", "t", 0, first + 500, 0)])


def fill(place: Path, leave: int = 0) -> Path:
    """Takes all the room but so many bytes."""
    filler = place / "filler"
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    # The store may take some of it meanwhile.
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        file.write(b"x" * max(free - leave, 0))
    return filler


def wait_until_full(store: Store) -> None:
    end = time.monotonic() + PATIENCE_S
    while store.full is None:
        assert time.monotonic() < end
        time.sleep(0.01)


def check(store: Store, batches: int) -> None:
    """Each event once, with its payload, and the offset is theirs."""
    with store.reader() as cursor:
        found = reading.events(cursor, "ORDER BY seq")
        (state,) = reading.partitions(cursor)
    assert [e.offset for e in found] == list(range(batches * 500))
    assert [e.payload for e in found] == [
        e.payload for number in range(batches) for e in batch(number).events
    ]
    assert state.next_offset == batches * 500


def commit_until_full(store: Store, first: int) -> tuple[int, Future[Any]]:
    """How many batches are in, and the one that waits for room."""
    number = first
    while True:
        waiting = store.commit(batch(number))
        number += 1
        end = time.monotonic() + PATIENCE_S
        while not waiting.done() and store.full is None:
            assert time.monotonic() < end
            time.sleep(0.001)
        if store.full is not None and not waiting.done():
            return number, waiting


def test_a_commit_waits_for_room_and_goes_on(small: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(small / "store.duckdb", memory="100MB")
    store.commit(batch(0)).result()
    filler = fill(small, leave=600_000)
    count, waiting = commit_until_full(store, 1)
    assert "no room on the disk" in (store.full or "")
    assert "Nothing is read until there is room" in caplog.text
    with store.reader() as cursor:  # it is asked as ever
        assert len(reading.events(cursor)) == (count - 1) * 500
    filler.unlink()
    waiting.result(PATIENCE_S)
    assert store.full is None
    check(store, count)
    store.commit(batch(count)).result(PATIENCE_S)
    assert "there is room on the disk again" in caplog.text
    store.close()
    store = Store(small / "store.duckdb")
    check(store, count + 1)
    store.close()


def test_a_checkpoint_that_fails_is_done_again_and_nothing_is_lost(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    really = stores.opened

    def opening(path: Path, *words: Any, **how: Any) -> duckdb.DuckDBPyConnection:
        opened.append(path)
        return really(path, *words, **how)

    monkeypatch.setattr(stores, "opened", opening)
    store = Store(small / "store.duckdb", memory="100MB")
    for number in range(4):
        store.commit(batch(number)).result()
    filler = fill(small)
    done = store.checkpoint()
    wait_until_full(store)
    assert not done.done()
    # DuckDB had to be closed and opened again; readers are answered nevertheless.
    assert len(answered(store)) == 2_000
    assert len(opened) > 1
    later = store.commit(batch(4))
    filler.unlink()
    done.result(PATIENCE_S)
    later.result(PATIENCE_S)
    check(store, 5)
    store.close()
    store = Store(small / "store.duckdb")
    check(store, 5)
    store.close()


def answered(store: Store) -> list[Event]:
    with store.reader() as cursor:
        return reading.events(cursor)


def answered_at_last(store: Store) -> list[Event]:
    """The checkpoint is tried again meanwhile, and may cut short whoever asks again, too."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return answered(store)
        except StoreError:
            assert time.monotonic() < end


def test_it_is_full_until_a_checkpoint_has_found_room(
    small: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not until the next commit, for whose log there may be enough."""
    monkeypatch.setattr(stores, "CHECKPOINT_AFTER", 1_000_000)
    monkeypatch.setattr(stores, "RETRY_S", 3)
    store = Store(small / "store.duckdb", memory="100MB")
    for number in range(5):
        store.commit(batch(number)).result(PATIENCE_S)
    filler = fill(small, leave=400_000)
    store.commit(batch(5)).result(PATIENCE_S)
    wait_until_full(store)
    # The checkpoint has taken what there was. This is less than it wants, and enough for a commit.
    os.truncate(filler, filler.stat().st_size - 100_000)
    store.submit(lambda connection: note(connection, "said", "this")).result(PATIENCE_S)
    assert store.full is not None
    assert store.meta("said") == "this"
    filler.unlink()
    end = time.monotonic() + PATIENCE_S
    while store.full is not None:
        assert time.monotonic() < end
        time.sleep(0.01)
    check(store, 6)
    store.close()
    said = [record.getMessage() for record in caplog.records]
    assert sum("The log grows until there is room" in one for one in said) == 1
    assert sum("there is room on the disk again" in one for one in said) == 1


def test_whoever_asks_just_after_a_checkpoint_has_failed_is_answered(
    small: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """DuckDB answers nobody then, until the writer has opened the file again: as where a daemon
    starts on a full disk, and reads on after its first commit."""
    store = Store(small / "store.duckdb", memory="100MB")
    for number in range(4):
        store.commit(batch(number)).result()
    asking = ThreadPoolExecutor(1)
    asked: list[Future[list[Event]]] = []

    class WhenItIsSaid(logging.Handler):
        """On the writer's thread, which has yet to open the file again."""

        def emit(self, record: logging.LogRecord) -> None:
            if not asked and "no room" in record.getMessage():
                asked.append(asking.submit(answered, store))
                wait(asked, timeout=0.3)

    handler = WhenItIsSaid()
    stores.log.addHandler(handler)
    try:
        filler = fill(small)
        done = store.checkpoint()
        wait_until_full(store)
        assert len(asked[0].result(PATIENCE_S)) == 2_000
        assert not done.done()
    finally:
        stores.log.removeHandler(handler)
        asking.shutdown()
    filler.unlink()
    done.result(PATIENCE_S)
    store.close()


def test_whoever_is_cut_short_by_a_checkpoint_that_fails_may_ask_again(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be seen that the disk is nearly full: a quota, say."""
    monkeypatch.setattr(stores, "SCARCE", 0)
    store = Store(small / "store.duckdb", memory="100MB")
    for number in range(4):
        store.commit(batch(number)).result()
    filler = fill(small)
    begun = threading.Event()

    def read_on() -> None:
        with store.reader() as cursor:
            begun.set()
            wait_until_full(store)
            reading.events(cursor)

    with ThreadPoolExecutor(1) as beside:
        reader = beside.submit(read_on)
        assert begun.wait(PATIENCE_S)
        done = store.checkpoint()
        with pytest.raises(StoreError, match="could not be read to the end, ask again"):
            reader.result(PATIENCE_S)
    assert len(answered_at_last(store)) == 2_000
    filler.unlink()
    done.result(PATIENCE_S)
    check(store, 4)
    store.close()


def test_many_times_full_with_readers_beside(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room comes and goes, in commits and in checkpoints that come as they are due. No reader is
    cut short."""
    monkeypatch.setattr(stores, "CHECKPOINT_AFTER", 500_000)
    store = Store(small / "store.duckdb", memory="100MB")
    ended, seen = threading.Event(), [0]

    def read() -> None:
        while not ended.is_set():
            with store.reader() as cursor:
                (state,) = reading.partitions(cursor) or [PartitionState("", "", "", 0, 0, 0)]
                ((count,),) = cursor.execute("SELECT count(*) FROM events").fetchall()
            assert count == state.next_offset
            seen[0] += 1

    reading_on = ThreadPoolExecutor(2)
    readers = [reading_on.submit(read) for _ in range(2)]
    try:
        number = 0
        for leave in (0, 100_000, 300_000, 700_000, 0, 450_000):
            filler = fill(small, leave=leave)
            number, waiting = commit_until_full(store, number)
            filler.unlink()
            waiting.result(PATIENCE_S)
        check(store, number)
    finally:
        ended.set()
        reading_on.shutdown()
    for reader in readers:
        reader.result()
    store.close()
    assert seen[0] > 0
    store = Store(small / "store.duckdb")
    check(store, number)
    store.close()


def test_it_can_be_started_while_the_disk_is_full(small: Path) -> None:
    store = Store(small / "store.duckdb", memory="100MB")
    store.commit(batch(0)).result()
    store.close()
    filler = fill(small)
    store = Store(small / "store.duckdb", memory="100MB")
    check(store, 1)
    waiting = store.commit(batch(1))
    wait_until_full(store)
    filler.unlink()
    waiting.result(PATIENCE_S)
    check(store, 2)
    store.close()


def test_a_store_that_cannot_be_made_says_so(small: Path) -> None:
    filler = fill(small)
    with pytest.raises(StoreError, match=r"store\.duckdb: no room on the disk: make room"):
        Store(small / "store.duckdb", memory="100MB")
    filler.unlink()
    (small / "store.duckdb").unlink(missing_ok=True)
    store = Store(small / "store.duckdb", memory="100MB")
    store.commit(batch(0)).result()
    check(store, 1)
    store.close()


def test_it_can_be_stopped_while_the_disk_is_full(small: Path) -> None:
    store = Store(small / "store.duckdb", memory="100MB")
    store.commit(batch(0)).result()
    filler = fill(small)
    count, waiting = commit_until_full(store, 1)
    store.close()
    with pytest.raises(StoreError, match="no room on the disk"):
        waiting.result()
    filler.unlink()
    store = Store(small / "store.duckdb")
    check(store, count - 1)
    store.close()


def test_what_else_fails_is_not_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "store.duckdb")
    with caplog.at_level(logging.ERROR), pytest.raises(duckdb.CatalogException):
        store.submit(lambda c: c.execute("SELECT * FROM nowhere")).result(PATIENCE_S)
    assert store.full is None
    assert caplog.text == ""
    store.close()
