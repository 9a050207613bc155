"""Counts by minute are what counting the events gives: sealed or not, deleted, copied, restored."""

from collections import Counter
from functools import partial
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS
from collector.batch import Batch
from collector.event import Event
from collector.store import forgetting, retention, rollups
from collector.store.copying import copy
from collector.store.restoring import restore
from collector.store.store import Store
from tests.examples import examples

MINUTE = 60_000_000
START = 1_772_359_200_000_000
RUN = 5

one_event = st.tuples(
    st.sampled_from(["orders", "payments"]),
    st.sampled_from(["order.created", "order.paid", ""]),
    st.sampled_from([(), ("f-1",), ("f-2", "f-3")]),
    st.sampled_from([(), ("bad-json",), ("truncated: 7", "no-name")]),
    st.integers(0, 4 * MINUTE),
)
Drawn = tuple[str, str, tuple[str, ...], tuple[str, ...], int]


def made(number: int, drawn: Drawn) -> Event:
    topic, name, ids, problems, time = drawn
    at = START + time
    return Event("s", topic, topic, 0, number, at, at, name, ids, problems=problems)


def opened(path: Path) -> Store:
    return Store(path, tables=ANALYZER_TABLES, views=ANALYZER_VIEWS, run=RUN)


def check(store: Store, events: list[Event]) -> None:
    with store.reader() as cursor:
        totals = rollups.totals(cursor)
        assert totals == rollups.Totals(
            len(events),
            sum(not e.correlation_ids for e in events),
            sum(e.name == "" for e in events),
        )
        said = Counter(p.partition(":")[0] for e in events for p in e.problems)
        assert rollups.problems(cursor) == dict(said)
        seen = {(one.topic, one.name): one for one in rollups.sightings(cursor, START + MINUTE + 1)}
        assert set(seen) == {(e.topic, e.name) for e in events}
        for (topic, name), one in seen.items():
            of_it = [e for e in events if (e.topic, e.name) == (topic, name)]
            times = [e.time // MINUTE * MINUTE for e in of_it]
            recent = sum(time >= START + MINUTE for time in times)
            told = (one.events, one.first, one.last, one.recent)
            assert told == (len(times), min(times), max(times), recent)
        for by in ("source", "topic", "name", None):
            counted: Counter[tuple[int, str | None]] = Counter()
            untied: Counter[tuple[int, str | None]] = Counter()
            wrong: Counter[tuple[int, str | None]] = Counter()
            for e in events:
                key = (e.time // MINUTE * MINUTE, None if by is None else getattr(e, by))
                counted[key] += 1
                untied[key] += not e.correlation_ids
                wrong[key] += bool(e.problems)
            rows = rollups.per_minute(cursor, 0, 2**62, by, 1000, 0)
            assert [tuple(row) for row in rows] == [
                (*key, counted[key], untied[key], wrong[key]) for key in sorted(counted)
            ]
        for name in {e.name for e in events}:
            for start, end in ((START, START + MINUTE // 2), (START + MINUTE, START + 2 * MINUTE)):
                after = rollups.untied_after(cursor, [name], start, end)
                assert not [
                    e for e in events
                    if e.name == name and start <= e.time <= end
                    and e.seq <= after and not e.correlation_ids
                ]  # fmt: skip
        per_name = "SELECT epoch_us(minute), name, sum(events) FROM counts GROUP BY ALL"
        assert {(m, n): c for m, n, c in cursor.execute(per_name).fetchall()} == Counter(
            (e.time // MINUTE * MINUTE, e.name) for e in events
        )
        doubled = "SELECT count(*) FROM minutes GROUP BY minute, source, topic, name"
        assert {n for (n,) in cursor.execute(doubled).fetchall()} <= {1}


@settings(max_examples=examples(15))
@given(st.data())
def test_counts_are_those_of_the_events_whatever_is_stored_and_deleted(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("rollups") / "s.duckdb"
    store = opened(path)
    there: dict[int, Event] = {}
    try:
        for _ in range(data.draw(st.integers(1, 5))):
            drawn = data.draw(st.lists(one_event, min_size=1, max_size=17))
            # The numbers of what was deleted last may be given again after a restart.
            batch = [made(n, one) for n, one in enumerate(drawn, store.last_seq() + 1)]
            there |= {event.offset: event for event in batch}
            store.commit(Batch(events=batch)).result()
            going = data.draw(st.lists(st.sampled_from(sorted(there)), max_size=9, unique=True))
            if going:
                store.submit(partial(retention.delete, numbers=going)).result()
                for seq in going:
                    del there[seq]
            check(store, list(there.values()))
            if data.draw(st.booleans()):
                store.close()
                store = opened(path)
    finally:
        store.close()


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Path, list[Event]]:
    path = tmp_path / "s.duckdb"
    drawn: list[Drawn] = [
        ("orders", f"n-{n % 3}", (f"f-{n % 7}",) if n % 5 else (), ("p",) * (n % 2), n * 7_000_000)
        for n in range(103)
    ]
    events = [made(n, one) for n, one in enumerate(drawn)]
    store = opened(path)
    for start in range(0, 103, 20):
        store.commit(Batch(events=events[start : start + 20])).result()
    check(store, events)
    store.close()
    return path, events


def test_a_flow_that_is_forgotten_is_counted_no_more(filled: tuple[Path, list[Event]]) -> None:
    path, events = filled
    gone = forgetting.forget(opened(path), "f-3").events
    rest = [e for e in events if "f-3" not in e.correlation_ids]
    assert gone == len(events) - len(rest) > 0
    store = opened(path)
    check(store, rest)
    store.close()


def test_a_backup_that_is_restored_counts_on(filled: tuple[Path, list[Event]]) -> None:
    path, events = filled
    store = opened(path)
    copy(store, path.with_name("backup.duckdb"), plain=False)
    copy(store, path.with_name("snapshot.duckdb"), plain=True)
    more = [made(n, ("orders", "later", (), (), n * MINUTE)) for n in range(200, 230)]
    store.commit(Batch(events=more)).result()
    check(store, [*events, *more])
    store.close()
    with duckdb.connect(str(path.with_name("snapshot.duckdb")), read_only=True) as snapshot:
        assert snapshot.execute("SELECT sum(events) FROM counts").fetchall() == [(len(events),)]
    restore(path.with_name("backup.duckdb"), path, force=True)
    store = opened(path)
    check(store, events)
    store.commit(Batch(events=more)).result()
    check(store, [*events, *more])
    store.close()


def test_what_an_older_nonevent_stored_uncounted_is_counted(
    filled: tuple[Path, list[Event]],
) -> None:
    path, events = filled
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP VIEW counts; DROP TABLE minutes; DROP TABLE problem_minutes")
        connection.execute("DELETE FROM meta WHERE key IN ('minutes_counted', 'made')")
    store = opened(path)
    check(store, events)
    more = [made(n, ("orders", "later", (), (), 0)) for n in range(200, 210)]
    store.commit(Batch(events=more)).result()
    check(store, [*events, *more])
    with store.reader() as cursor:
        assert rollups.counted_to(cursor) == 110
    store.close()


def test_a_transaction_that_failed_counted_nothing(filled: tuple[Path, list[Event]]) -> None:
    path, events = filled
    store = opened(path)
    more = [made(n, ("orders", "later", (), (), 0)) for n in range(200, 230)]

    def failing(connection: object) -> None:
        store._batches.write(connection, [Batch(events=more)])  # type: ignore[arg-type]  # the writer's own
        raise OSError("no space left on device")

    assert isinstance(store.submit(failing).exception(), OSError)
    check(store, events)
    store.commit(Batch(events=more)).result()
    check(store, [*events, *more])
    store.close()
