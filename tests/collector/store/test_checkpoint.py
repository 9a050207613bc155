"""Readers beside a checkpoint: they are answered while it is made, and see one moment."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collector.batch import Batch, PartitionState
from collector.event import Event
from collector.store import opening, reading
from collector.store import store as stores
from collector.store.store import Store

PATIENCE_S = 30
SIZE = 200


def batch(number: int) -> Batch:
    first = number * SIZE
    events = [Event("s", "t", "t", 0, first + n, 1, 1, "n", payload="{}") for n in range(SIZE)]
    return Batch(events=events, partitions=[PartitionState("s", "t", "t", 0, first + SIZE, 0)])


def seen(store: Store) -> int:
    """How many events there are, of one moment: so many as were read from the bus."""
    with store.reader() as cursor:
        for _ in range(3):
            ((events,),) = cursor.execute("SELECT count(*) FROM events").fetchall()
            (state,) = reading.partitions(cursor)
            assert state.next_offset == events
    return int(events)


class Gate:
    """Holds a checkpoint at its beginning; so many before it are refused, as DuckDB refuses those
    that readers hold back."""

    def __init__(self, refused: int) -> None:
        self.refused = refused
        self.reached = threading.Event()
        self.open = threading.Event()

    def pass_by(self) -> None:
        if self.refused:
            self.refused -= 1
            raise duckdb.TransactionException("there are other transactions active")
        self.reached.set()
        assert self.open.wait(PATIENCE_S)


class Gated:
    """A connection whose checkpoints go through a gate."""

    def __init__(self, real: duckdb.DuckDBPyConnection, gate: Gate) -> None:
        self._real, self._gate = real, gate

    def cursor(self) -> "Gated":
        return Gated(self._real.cursor(), self._gate)

    def execute(self, words: str, *parameters: Any) -> "Gated":
        if words == "CHECKPOINT":
            self._gate.pass_by()
        self._real.execute(words, *parameters)
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture
def waiting() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as threads:
        yield threads


def held(
    path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch, waiting: ThreadPoolExecutor
) -> tuple[Store, Future[Any], Future[str | None]]:
    """A checkpoint that has just begun, after a moment without readers, and one who asks then."""
    monkeypatch.setattr(stores, "opened", lambda *a, **k: Gated(opening.opened(*a, **k), gate))
    store = Store(path)
    store.set_meta("said", "this")
    made = store.checkpoint()
    assert gate.reached.wait(PATIENCE_S)
    return store, made, waiting.submit(store.meta, "said")


def test_whoever_comes_while_a_checkpoint_is_made_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: ThreadPoolExecutor
) -> None:
    gate = Gate(refused=1)
    store, made, asked = held(tmp_path / "store.duckdb", gate, monkeypatch, waiting)
    assert asked.result(PATIENCE_S) == "this"
    assert not made.done()
    gate.open.set()
    assert made.result(PATIENCE_S) is True
    store.close()


def test_with_little_room_nobody_is_let_in_until_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: ThreadPoolExecutor
) -> None:
    monkeypatch.setattr(stores, "SCARCE", 1 << 60)
    gate = Gate(refused=0)
    store, made, asked = held(tmp_path / "store.duckdb", gate, monkeypatch, waiting)
    with pytest.raises(TimeoutError):
        asked.result(stores.LET_IN_S * 20)
    gate.open.set()
    assert made.result(PATIENCE_S) is True
    assert asked.result(PATIENCE_S) == "this"
    store.close()


def test_readers_see_one_moment_through_checkpoints(
    tmp_path: Path, waiting: ThreadPoolExecutor
) -> None:
    store = Store(tmp_path / "store.duckdb", memory="100MB")
    store.commit(batch(0)).result()
    over = threading.Event()

    def ask_on() -> int:
        times = 0
        while not over.is_set():
            seen(store)
            times += 1
        return times

    asking = [waiting.submit(ask_on) for _ in range(3)]
    made = 0
    for number in range(1, 61):
        store.commit(batch(number)).result(PATIENCE_S)
        made += store.checkpoint().result(PATIENCE_S)
    over.set()
    assert all(one.result(PATIENCE_S) for one in asking)
    assert made
    assert seen(store) == 61 * SIZE
    store.close()
    store = Store(tmp_path / "store.duckdb")
    assert seen(store) == 61 * SIZE
    store.close()
