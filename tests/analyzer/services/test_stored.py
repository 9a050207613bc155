"""The newest events of a store as sightings, in the flows in which they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.rules.ruleset import RuleSet
from analyzer.services.stored import newest_events, progress_with
from collector.batch import Batch
from collector.consumers.observation import CommitRow, WatchRow
from collector.event import Event
from collector.store.store import Store
from collector.store.tables import COMMITS, WATCHES
from collector.store.tied import StoredTies, save_tying
from tests.analyzer.services.bus import SOURCE, START, us


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.duckdb")
    yield opened
    opened.close()


def event(n: int, *ids: str, topic: str = "t", **keys: str) -> Event:
    return Event(SOURCE, topic, topic, 0, n, us(n), us(n), "A", ids, f"e{n}", tuple(keys.items()))


def test_events_are_in_the_flows_of_their_ids(store: Store) -> None:
    store.commit(Batch(events=[event(0, "x"), event(1, "x", "y"), event(2)])).result()
    with store.reader() as cursor:
        found = newest_events(cursor, None)
    assert [one.flows for one in found.sightings] == [("x",), ("x", "y"), ()]
    assert found.sightings[1][:7] == (SOURCE, "t", "t", 0, 1, us(1), "A")
    assert (found.first, found.arrived) == (0, us(0))


def test_and_in_those_that_keys_tie_them_to(store: Store) -> None:
    save_tying(store, {SOURCE: frozenset(("order",))})
    events = [event(0, "b", order="1"), event(1, "a", order="1"), event(2, order="1")]
    store.commit(Batch(events=events)).result()
    with StoredTies(store).reader() as (cursor, ties):
        found = newest_events(cursor, ties)
    assert [one.flows for one in found.sightings] == [("a",)] * 3


def test_of_many_the_newest_are_read_and_the_oldest_of_these_are_context(store: Store) -> None:
    store.commit(Batch(events=[event(n, "x") for n in range(50)])).result()
    with store.reader() as cursor:
        found, every = newest_events(cursor, None, 20), newest_events(cursor, None, 50)
    assert [one.offset for one in found.sightings] == list(range(30, 50))
    assert (found.first, every.first) == (2, 0)


def test_topics_of_dead_letters_and_retries_are_told_by_name(store: Store) -> None:
    store.commit(Batch(events=[event(0, "x"), event(1, "x", topic="t.DLT")])).result()
    with store.reader() as cursor:
        assert newest_events(cursor, None).letters(RuleSet()) == {"t.DLT"}


def test_of_commits_before_these_events_the_last_is_enough(store: Store) -> None:
    store.commit(Batch(events=[event(n, "x") for n in range(1_000, 1_010)])).result()
    rows = [
        CommitRow(us(at), SOURCE, "g", topic, topic, 0, offset, us(at), us(at - 1), 2_000, None)
        for at, offset, topic in (
            (700, 700, "t"), (800, 800, "t"), (990, 900, "t"), (1_005, 1_004, "t"),
            (1_006, 1_005, "other"),
        )
    ]  # fmt: skip
    watch = WatchRow(SOURCE, START, us(1_010), 1_000_000, ("*",))
    store.commit(Batch(rows={COMMITS.name: rows, WATCHES.name: [watch]})).result()
    with store.reader() as cursor:
        found = newest_events(cursor, None)
        known = progress_with(cursor, found)
    highest = known.groups_on(found.sightings[0])["g"]
    assert list(highest.offsets) == [800, 900, 1_004]
    assert known.passed("g", found.sightings[0]) == us(1_005)
    assert known.passed("g", found.sightings[5]) is None


def test_an_empty_store_has_none(store: Store) -> None:
    with store.reader() as cursor:
        assert newest_events(cursor, None).sightings == []
