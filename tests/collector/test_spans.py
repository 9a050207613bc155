"""Finding what belongs to an ID or a key's value: as a look at every event would."""

from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.batch import Batch, PartitionState
from collector.event import Event
from collector.store import reading, retention, spans
from collector.store.store import Store
from tests.collector.sealing import seal, sealed_to
from tests.examples import examples

RUN = 4
IDS = [f"c-{number}" for number in range(9)]
KEYS = [f"ord-{number}" for number in range(5)]

one_event = st.tuples(
    st.lists(st.sampled_from(IDS), max_size=3, unique=True), st.sampled_from(KEYS)
)


def made(number: int, ids: list[str], key: str) -> Event:
    return Event(
        "bus", "orders", "id", 0, number, number, number, "order.created", tuple(ids),
        keys=(("order_id", key),),
    )  # fmt: skip


def stored(path: Path, batches: list[list[tuple[list[str], str]]], *, whole: bool = True) -> Store:
    """Sealed as far as may be, if `whole`; else as far as it has come."""
    store = Store(path, run=RUN)
    number = 0
    for batch in batches:
        events = []
        for ids, key in batch:
            number += 1
            events.append(made(number, ids, key))
        store.commit(Batch(events=events)).result()
    if whole:
        seal(store, RUN)
    return store


@settings(max_examples=examples(15))
@given(
    st.lists(st.lists(one_event, min_size=1, max_size=30), min_size=1, max_size=8),
    st.sampled_from([0, 1, 2, spans.WIDE]),
    st.booleans(),
)
def test_a_look_up_finds_what_a_look_at_everything_finds(
    tmp_path_factory: object, batches: list[list[tuple[list[str], str]]], wide: int, whole: bool
) -> None:
    folder = tmp_path_factory.mktemp("spans")  # type: ignore[attr-defined]  # pytest's own
    with mock.patch.object(spans, "WIDE", wide):
        store = stored(folder / "store.duckdb", batches, whole=whole)
    everything = [one for batch in batches for one in batch]
    try:
        with store.reader() as cursor:
            found = reading.events_of_flows(cursor, IDS)
            for flow in IDS:
                there = [n for n, (ids, _) in enumerate(everything, 1) if flow in ids]
                assert sorted(event.seq for event in found[flow]) == there
            for key in KEYS:
                flows = {flow for ids, own in everything if own == key for flow in ids}
                seqs = spans.numbers(cursor, values=[key])
                assert reading.flows_of_key(cursor, seqs, key) == sorted(flows)
            last = spans.bounds(cursor, [*IDS, *KEYS, "nobody"])
            for text in (*IDS, *KEYS):
                with_it = [n for n, (ids, own) in enumerate(everything, 1) if text in (*ids, own)]
                assert last.get(text) == (with_it[-1] if with_it else None)
            assert "nobody" not in last
            assert not whole or spans.sealed_to(cursor) == len(everything) // RUN * RUN
    finally:
        store.close()


def runs(store: Store) -> list[int]:
    with store.reader() as cursor:
        rows = cursor.execute("SELECT DISTINCT run FROM spans ORDER BY run").fetchall()
    return [run for (run,) in rows]


def one_more(store: Store) -> None:
    """A batch that merges a piece, if there is no run to be sealed."""
    store.commit(Batch(events=[made(store.last_seq() + 1, ["more"], "k")])).result()
    seal(store, RUN)


def test_runs_become_one_piece_by_piece_and_stay_sorted(tmp_path: Path) -> None:
    count = RUN * (spans.MERGED * 2 + 3) + 1
    store = stored(tmp_path / "store.duckdb", [[([IDS[n % 9]], KEYS[n % 5]) for n in range(count)]])
    assert len(runs(store)) == spans.MERGED * 2 + 3
    batches = 0
    while runs(store)[:3] != [16, 32, 33]:
        one_more(store)
        batches += 1
        with store.reader() as cursor:
            assert len(reading.events_of_flows(cursor, ["c-0"])["c-0"]) == (count + 8) // 9
    with store.reader() as cursor:
        merged = cursor.execute("SELECT run, hash FROM spans WHERE run <= 32 ORDER BY rowid")
        rows = merged.fetchall()
    store.close()
    assert rows == sorted(rows)
    # Seals of new runs come between, and each batch merges one piece at most.
    assert batches >= 2 * spans.SLICES


@pytest.mark.parametrize("done", [1, spans.SLICES // 2, spans.SLICES])
def test_a_merge_that_was_broken_off_is_done_after_a_restart(tmp_path: Path, done: int) -> None:
    count = RUN * spans.MERGED + 1
    path = tmp_path / "store.duckdb"
    store = stored(path, [[([IDS[n % 9]], KEYS[n % 5]) for n in range(count)]])
    for _ in range(done):
        one_more(store)
    store.close()
    store = Store(path, run=RUN)
    left = 3 * spans.SLICES
    while runs(store)[:1] != [16]:
        one_more(store)
        left -= 1
        assert left
    with store.reader() as cursor:
        assert len(reading.events_of_flows(cursor, ["c-0"])["c-0"]) == (count + 8) // 9
    store.close()


def look(store: Store) -> Any:
    """What is looked up for the next run: its last number, and its spans."""
    of = store._batches._spans
    while of._looking is None:
        store.submit(lambda c: of.after(c, store.last_seq() + 1)).result()
    return of._looking.result(30)


def test_what_is_not_committed_is_not_sealed(tmp_path: Path) -> None:
    store = stored(tmp_path / "store.duckdb", [])
    looked = []

    def failing(connection: Any) -> None:
        for _ in range(2):
            batch = Batch(events=[made(n, ["lost"], "k") for n in range(RUN + 1)])
            store._batches.write(connection, [batch])
        looked.append(store._batches._spans._looking.result(30))  # type: ignore[union-attr]  # it is there
        raise OSError("no space left on device")

    assert isinstance(store.submit(failing).exception(), OSError)
    assert looked == [None]
    store.commit(Batch(events=[made(n, ["kept"], "k") for n in range(2 * RUN)])).result()
    seal(store, RUN)
    with store.reader() as cursor:
        assert len(spans.numbers(cursor, ["kept", "lost"])) == spans.sealed_to(cursor) == 2 * RUN
    store.close()


def test_what_a_failed_transaction_sealed_is_sealed_again(tmp_path: Path) -> None:
    store = stored(tmp_path / "store.duckdb", [[(["kept"], "k")] * (RUN + 1)], whole=False)
    assert look(store)[0] == RUN

    def failing(connection: Any) -> None:
        store._batches._spans.after(connection, RUN + 2)
        assert spans.sealed_to(connection) == RUN
        raise OSError("no space left on device")

    assert isinstance(store.submit(failing).exception(), OSError)
    assert sealed_to(store) == 0
    store.commit(Batch(events=[made(n, ["kept"], "k") for n in range(RUN)])).result()
    seal(store, RUN)
    with store.reader() as cursor:
        assert len(spans.numbers(cursor, ["kept"])) == 2 * RUN + 1
        assert cursor.execute("SELECT count(*) FROM spans").fetchall() == [(4,)]
    store.close()


def test_a_look_up_that_failed_is_made_again(tmp_path: Path) -> None:
    with mock.patch.object(spans, "TEXTS", "SELECT nothing"):
        store = stored(tmp_path / "store.duckdb", [[(["kept"], "k")] * RUN], whole=False)
        with pytest.raises(duckdb.Error):
            look(store)
    seal(store, RUN)
    assert runs(store) == [1]
    store.close()


def test_a_store_with_sealed_runs_is_gone_on_with_after_a_restart(tmp_path: Path) -> None:
    """The first batch looks up what is sealed, and has nothing to seal."""
    path = tmp_path / "store.duckdb"
    stored(path, [[(["kept"], "k")] * (3 * RUN)]).close()
    store = Store(path, run=RUN)
    state = PartitionState("bus", "orders", "id", 0, 99, 0)
    store.commit(Batch(events=[made(99, ["kept"], "k")], partitions=[state])).result()
    with store.reader() as cursor:
        assert len(reading.events_of_flows(cursor, ["kept"])["kept"]) == 3 * RUN + 1
        assert reading.partitions(cursor) == [state]
    store.close()


def test_a_number_of_a_sealed_run_is_never_given_again(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    stored(path, [[(["first"], "k")] * RUN, [(["last"], "k")] * (RUN + 1)]).close()
    store = Store(path, run=RUN)
    store.submit(lambda connection: retention.delete(connection, range(RUN, 2 * RUN + 2))).result()
    store.close()
    store = Store(path, run=RUN)
    store.commit(Batch(events=[made(99, ["new"], "k")])).result()
    with store.reader() as cursor:
        assert len(reading.events_of_flows(cursor, ["new"])["new"]) == 1
    store.close()
