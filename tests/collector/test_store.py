"""The store: what goes in comes out, whole or not at all, and to one owner."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collector.batch import Batch, Gap, PartitionState
from collector.errors import StoreError
from collector.event import Event
from collector.store import reading
from collector.store import store as stores
from collector.store.notes import noted
from collector.store.store import Store
from collector.store.tables import SCHEMA_VERSION
from collector.times import FOREVER, NEVER
from tests.collector.busy import busy

Open = Callable[..., Store]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "store.duckdb"


@pytest.fixture
def open_store(path: Path) -> Iterator[Open]:
    """Opens the one file of this test; whatever is still open is closed."""
    opened: list[Store] = []

    def run(**options: bool) -> Store:
        opened.append(Store(path, **options))  # type: ignore[arg-type]  # the flags alone
        return opened[-1]

    yield run
    for store in opened:
        store.close()


def event(offset: int = 0, **changes: object) -> Event:
    made = Event("bus", "orders", "orders-id", 0, offset, offset * 1_000_000, 7, "order.created")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def state(next_offset: int = 1, **changes: object) -> PartitionState:
    made = PartitionState("bus", "orders", "orders-id", 0, next_offset, 0)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def events(store: Store) -> list[Event]:
    with store.reader() as cursor:
        return list(reading.events(cursor, "ORDER BY seq"))


def partitions(store: Store) -> list[PartitionState]:
    with store.reader() as cursor:
        return reading.partitions(cursor)


def test_everything_of_a_batch_is_read_back_as_it_was(open_store: Open) -> None:
    whole = event(
        2**62,
        time=-1,
        correlation_ids=("a", "b"),
        id="e",
        keys=(("order_id", "8"), ("é", "ü")),
        key="k",
        headers='[["x",{"hex":"ff"}]]',
        payload='{"a":"\x00\\u0000"}',
        encoding="json",
        problems=("bad-line: x",),
    )
    empty = event(4, name="")
    known = state(
        high_watermark=9, complete_to=5, seen_from=2, blocked_since=8, carries=("a.*", "b")
    )
    unknown = state(partition=1)
    gap = Gap("bus", "orders", "orders-id", 0, 3, 9, "retention", NEVER, FOREVER, None)
    store = open_store()
    batch = Batch(events=[whole, empty], partitions=[known, unknown], gaps=[gap])
    store.commit(batch).result()
    assert events(store) == [whole, empty]
    assert partitions(store) == [known, unknown]
    assert unknown.complete_to == NEVER
    with store.reader() as cursor:
        assert reading.gaps(cursor) == [gap]


def test_a_partition_has_one_state_the_last(open_store: Open) -> None:
    store = open_store()
    for offset in (1, 2, 3):
        store.commit(Batch(partitions=[state(offset)])).result()
    recreated = state(1, topic_id="another-id")
    store.commit(Batch(partitions=[recreated])).result()
    assert sorted(partitions(store), key=lambda p: p.next_offset) == [recreated, state(3)]


def test_events_are_numbered_in_the_order_of_storing_across_restarts(open_store: Open) -> None:
    store = open_store()
    store.commit(Batch(events=[event(5), event(1)])).result()
    store.close()
    again = open_store()
    again.commit(Batch(events=[event(9)])).result()
    assert [(e.seq, e.offset) for e in events(again)] == [(1, 5), (2, 1), (3, 9)]


def test_a_batch_that_fails_leaves_nothing_behind_and_the_next_one_works(open_store: Open) -> None:
    store = open_store()
    batch = Batch(events=[event(1)], partitions=[state(2)])
    batch.add("no such table", object())
    with pytest.raises(KeyError):
        store.commit(batch).result()
    too_large = Batch(partitions=[state(2)], events=[event(1, partition=2**40)])
    with pytest.raises(Exception, match=r"int32|too large"):
        store.commit(too_large).result()
    assert (events(store), partitions(store)) == ([], [])
    store.commit(Batch(events=[event(1)], partitions=[state(2)])).result()
    assert [e.offset for e in events(store)] == [1]


def test_a_job_that_fails_half_way_is_rolled_back(open_store: Open) -> None:
    store = open_store()

    def job(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("INSERT INTO meta VALUES ('half', 'way')")
        raise RuntimeError("here")

    with pytest.raises(RuntimeError, match="here"):
        store.submit(job).result()
    assert store.meta("half") is None


def transaction(connection: duckdb.DuckDBPyConnection) -> int:
    ((number,),) = connection.execute("SELECT txid_current()").fetchall()
    return int(number)


def test_batches_that_wait_together_share_a_transaction_and_others_do_not(
    open_store: Open,
) -> None:
    store = open_store()
    with busy(store):
        store.commit(Batch(events=[event(0)], partitions=[state(1)]))
        first = store.submit(transaction, shares=True)
        # One row of a partition, written twice in a transaction.
        store.commit(Batch(events=[event(1)], partitions=[state(2)]))
        second = store.submit(transaction, shares=True)
        alone = store.submit(transaction)
        last = store.submit(transaction, shares=True)
    assert first.result() == second.result() < alone.result() < last.result()
    assert [(e.seq, e.offset) for e in events(store)] == [(1, 0), (2, 1)]
    assert [one.next_offset for one in partitions(store)] == [2]


def test_what_fails_takes_with_it_what_comes_after_it_and_nothing_else(open_store: Open) -> None:
    store = open_store()
    with busy(store):
        good = store.commit(Batch(events=[event(0)], partitions=[state(1)]))
        too_large = event(1, partition=2**40)
        bad = store.commit(Batch(events=[too_large], partitions=[state(2)]), after=good)
        worse = store.commit(Batch(events=[event(2)], partitions=[state(3)]), after=bad)
        other = store.submit(lambda c: c.execute("INSERT INTO meta VALUES ('a', 'b')"), shares=True)
    late = store.commit(Batch(events=[event(3)], partitions=[state(4)]), after=worse)
    for failed in (bad, worse, late):
        with pytest.raises(Exception, match=r"int32|too large"):
            failed.result()
    good.result()
    other.result()
    assert (store.meta("a"), [e.offset for e in events(store)]) == ("b", [0])
    assert [one.next_offset for one in partitions(store)] == [1]
    store.commit(Batch(events=[event(1)])).result()
    assert [e.seq for e in events(store)] == [1, 2], "what failed has taken no numbers"


def test_jobs_run_in_the_order_in_which_they_were_submitted(open_store: Open) -> None:
    store, order = open_store(), []
    futures = [store.submit(lambda _, n=number: order.append(n)) for number in range(50)]
    for future in futures:
        future.result()
    assert order == list(range(50))


def test_what_was_submitted_is_carried_out_though_nobody_waits_for_it(open_store: Open) -> None:
    store = open_store()
    with busy(store):
        abandoned = store.commit(Batch(events=[event(1)], partitions=[state(2)]))
        assert not abandoned.cancel()
    store.commit(Batch(events=[event(2)], partitions=[state(3)])).result()
    assert [e.offset for e in events(store)] == [1, 2]


def test_closing_finishes_what_was_submitted(open_store: Open) -> None:
    store = open_store()
    for offset in range(5):
        store.commit(Batch(events=[event(offset)]))
    store.close()
    assert [e.offset for e in events(open_store(read_only=True))] == [0, 1, 2, 3, 4]


def test_a_reader_sees_one_moment_while_others_write(open_store: Open) -> None:
    store = open_store()
    with store.reader() as cursor:
        before = list(reading.events(cursor))
        store.commit(Batch(events=[event(1)])).result()
        assert list(reading.events(cursor)) == before == []
    assert len(events(store)) == 1


def test_what_was_not_committed_is_not_there_after_a_kill(path: Path, open_store: Open) -> None:
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom collector.store.store import Store\n"
        "from collector.batch import Batch\nfrom tests.collector.test_store import event, state\n"
        "store = Store(Path(sys.argv[1]))\n"
        "store.commit(Batch(events=[event(1)], partitions=[state(2)])).result()\n"
        "def job(connection):\n"
        "    store._batches.write(connection, [Batch(events=[event(2)], partitions=[state(3)])])\n"
        "    os._exit(9)\n"
        "store.submit(job).result()\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False, timeout=60)
    assert killed.returncode == 9
    store = open_store()
    assert ([e.offset for e in events(store)], partitions(store)) == ([1], [state(2)])
    store.commit(Batch(events=[event(2)])).result()
    assert [e.seq for e in events(store)] == [1, 2]


# Who may open it


def test_a_second_process_is_told_whom_to_ask(path: Path, open_store: Open) -> None:
    open_store()
    for read_only in (False, True):
        program = (
            "import sys\nfrom pathlib import Path\nfrom collector.store.store import Store\n"
            "from collector.errors import StoreError\n"
            f"try:\n    Store(Path(sys.argv[1]), read_only={read_only})\n"
            "except StoreError as error:\n    print(error)\n"
        )
        second = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            check=False, timeout=60, capture_output=True, text=True,
        )  # fmt: skip
        assert (second.returncode, second.stderr) == (0, "")
        assert f"{path} cannot be opened" in second.stdout
        assert "If a nonevent is running on it, ask that one" in second.stdout


def test_reading_needs_a_file_and_makes_none(path: Path, open_store: Open) -> None:
    with pytest.raises(StoreError, match=r"no store at .*start `nonevent run`"):
        open_store(read_only=True)
    assert not path.parent.exists()


def test_who_only_reads_cannot_write(open_store: Open) -> None:
    open_store().close()
    store = open_store(read_only=True)
    with store.reader() as cursor, pytest.raises(duckdb.Error):
        cursor.execute("DELETE FROM events")


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_said_to_be_none(
    path: Path, open_store: Open, read_only: bool
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"a letter to a friend\n" * 500)
    with pytest.raises(StoreError, match=r"store\.duckdb"):
        open_store(read_only=read_only)
    assert path.read_bytes().startswith(b"a letter")


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused_and_left_as_it_is(
    path: Path, open_store: Open, read_only: bool
) -> None:
    path.parent.mkdir()
    with duckdb.connect(str(path)) as newer:
        newer.execute("CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR)")
        newer.execute(f"INSERT INTO meta VALUES ('schema_version', '{SCHEMA_VERSION + 1}')")
        newer.execute("CREATE TABLE partitions (of_another_shape VARCHAR)")
    with pytest.raises(StoreError, match=f"holds schema version {SCHEMA_VERSION + 1}"):
        open_store(read_only=read_only)
    with duckdb.connect(str(path), read_only=True) as after:
        tables = {row[0] for row in after.execute("SHOW TABLES").fetchall()}
    assert tables == {"meta", "partitions"}


# Reading back


def test_an_event_of_several_flows_is_in_each_of_them(open_store: Open) -> None:
    store = open_store()
    both, one, none = (
        event(1, correlation_ids=("a", "b")), event(2, correlation_ids=("a",)), event(3),
    )  # fmt: skip
    store.commit(Batch(events=[both, one, none])).result()
    with store.reader() as cursor:
        found = reading.events_of_flows(cursor, ["b", "a", "nobody"])
    assert found == {"b": [both], "a": [both, one], "nobody": []}


def test_unseen_leaves_out_what_is_stored_and_what_comes_twice(open_store: Open) -> None:
    store = open_store()
    store.commit(Batch(events=[event(1), event(2, source="other")])).result()
    first, again = event(3), event(3, name="again")
    candidates = [
        event(1),                          # stored
        event(2),                          # another source has stored its own
        event(1, partition=1),             # another partition
        event(1, topic_id="recreated"),    # another incarnation of the topic
        first,
        again,                             # twice in one export
    ]  # fmt: skip
    with store.reader() as cursor:
        found = reading.unseen(cursor, candidates)
    assert found == [*candidates[1:4], first]
    assert found[-1].name == "order.created"


def log_of(store: Store) -> int:
    log = store.path.with_name(store.path.name + ".wal")
    return log.stat().st_size if log.exists() else 0


def changed_beside(store: Store) -> None:
    """What a checkpoint cannot be taken of while a reader began before it."""
    store.submit(lambda c: c.execute("UPDATE events SET name = 'other'")).result()
    store.submit(lambda c: c.execute('DELETE FROM events WHERE "offset" < 100')).result()


def test_a_checkpoint_waits_for_readers_that_are_under_way_and_lets_new_ones_wait(
    open_store: Open,
) -> None:
    store, over = open_store(), threading.Event()
    store.commit(Batch(events=[event(n) for n in range(2_000)], partitions=[state(2_000)])).result()
    under_way, counts = threading.Semaphore(0), list[int]()

    def read_for_ever() -> None:
        """As pages do: never a moment without a reader, unless somebody sees to it."""
        while not over.is_set():
            with store.reader() as cursor:
                ((count,),) = cursor.execute("SELECT count(*) FROM events").fetchall()
                counts.append(count)
                under_way.release()
                over.wait(0.02)

    readers = [threading.Thread(target=read_for_ever) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in readers:
        under_way.acquire()
    try:
        for _ in range(5):
            changed_beside(store)
            assert store.checkpoint().result(30)
            assert log_of(store) == 0
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert set(counts) == {2_000, 1_900}


def test_a_checkpoint_that_a_long_reader_holds_back_is_left_to_the_next_one(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "READERS_S", 0.05)
    store = open_store()
    store.commit(Batch(events=[event(n) for n in range(2_000)], partitions=[state(2_000)])).result()
    with store.reader() as cursor:
        cursor.execute("SELECT count(*) FROM events").fetchall()
        changed_beside(store)
        assert store.checkpoint().result(30) is False
        with store.reader() as other:  # and nobody waits for it any longer
            assert other.execute("SELECT count(*) FROM events").fetchall() == [(1_900,)]
        assert log_of(store) > 0
    assert store.checkpoint().result(30) is True
    assert log_of(store) == 0


def test_the_file_is_opened_anew_now_and_then_and_nobody_notices(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DuckDB keeps in memory until the file is closed is given back."""
    opened: list[Path] = []
    really = stores.opened

    def opening(path: Path, *words: Any, **how: Any) -> duckdb.DuckDBPyConnection:
        opened.append(path)
        return really(path, *words, **how)

    monkeypatch.setattr(stores, "opened", opening)
    monkeypatch.setattr(stores, "RENEW_AFTER", 20)
    store, over, counts = open_store(), threading.Event(), list[int]()

    def read_for_ever() -> None:
        while not over.is_set():
            with store.reader() as cursor:
                ((count,),) = cursor.execute("SELECT count(*) FROM events").fetchall()
                ((known,),) = cursor.execute("SELECT sum(next_offset) FROM partitions").fetchall()
            assert count == (known or 0)
            counts.append(count)

    reader = threading.Thread(target=read_for_ever)
    reader.start()
    try:
        for number in range(200):
            store.commit(Batch(events=[event(number)], partitions=[state(number + 1)])).result()
    finally:
        over.set()
        reader.join()
    assert len(opened) >= 5
    assert [one.offset for one in events(store)] == list(range(200))
    assert counts == sorted(counts)
    assert counts[-1] > 0


def test_a_long_reader_is_not_waited_for_to_open_the_file_anew(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "READERS_S", 0.05)
    monkeypatch.setattr(stores, "RENEW_AFTER", 10)
    store = open_store()
    store.commit(Batch(events=[event()], partitions=[state()])).result()
    with store.reader() as cursor:
        assert cursor.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
        for number in range(1, 30):
            store.commit(Batch(events=[event(number)], partitions=[state(number + 1)])).result()
        assert cursor.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
    assert [one.offset for one in events(store)] == list(range(30))


def groups(store: Store) -> int:
    """Groups of rows that the payloads lie in."""
    with store.reader() as cursor:
        row = cursor.execute(
            "SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('payloads')"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_what_a_checkpoint_has_written_is_written_again_only_to_give_space_free(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "CHECKPOINT_AFTER", 1)
    monkeypatch.setattr(stores, "PUT_OFF", 0)
    store = open_store()
    for number in range(6):
        part = [event(offset) for offset in range(number * 3_000, (number + 1) * 3_000)]
        store.commit(Batch(part, [state()])).result()
    before = groups(store)
    assert before >= 5
    monkeypatch.setattr(store, "_checkpoint_at", 1 << 40)
    store.submit(lambda c: c.execute("DELETE FROM payloads WHERE block < 9000")).result()
    store.checkpoint().result()
    assert groups(store) <= before // 2


def test_a_reader_sees_the_notes_of_its_moment_and_the_next_one_what_was_noted_since(
    open_store: Open,
) -> None:
    store = open_store()
    store.set_meta("some", "old")
    with store.reader() as cursor:
        assert noted(cursor, "some") == "old"
        store.set_meta("some", "new")
        assert noted(cursor, "some") == "old"
        assert noted(cursor, "other") is None
        with store.reader() as later:
            assert noted(later, "some") == "new"
    for value in map(str, range(20)):
        store.set_meta("some", value)
        with store.reader() as cursor:  # where another one was before, as a rule
            assert noted(cursor, "some") == value
