"""When a group's commits passed an event: asked of the store, and of what is held in memory."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.consumers.consumed import CommitsInMemory, Watches
from analyzer.consumers.passages import SPARE, passages
from collector.batch import Batch
from collector.consumers.history import History
from collector.consumers.observation import (
    CommitRow,
    End,
    GroupState,
    Known,
    Look,
    Place,
    WatchRow,
)
from collector.event import Event
from collector.store.store import Store
from collector.store.tables import COMMITS, WATCHES
from collector.times import US_PER_S
from tests.examples import examples

START = 1_750_000_000 * US_PER_S
GROUPS, PARTITIONS = ("g", "h"), (0, 1)
LOOKS = 40
EVERY = 60 * US_PER_S
"""Far apart, so that hours go by."""


def at(look: int) -> int:
    return START + look * EVERY


def commits(seed: int) -> list[CommitRow]:
    """That go on, stay, go back and are taken away, of two groups on two partitions."""
    chance, history = random.Random(seed), History("bus", Known())
    committed: dict[tuple[str, Place], int] = {}
    rows: list[CommitRow] = []
    for look in range(LOOKS):
        for group in GROUPS:
            for partition in PARTITIONS:
                key = group, Place("t", partition)
                match chance.choice(["", "", "", "on", "on", "far", "back", "gone"]):
                    case "on":
                        committed[key] = committed.get(key, 0) + 1
                    case "far":
                        committed[key] = committed.get(key, 0) + chance.randint(2, 9)
                    case "back":
                        committed[key] = max(0, committed.get(key, 0) - chance.randint(1, 9))
                    case "gone":
                        committed.pop(key, None)
        by_group = {
            group: {place: offset for (of, place), offset in committed.items() if of == group}
            for group in GROUPS
        }
        ends = {Place("t", p): End("id", 1_000, 1_000) for p in PARTITIONS}
        states = {group: GroupState("classic", "Stable", 1) for group in GROUPS}
        rows += history.take(Look(at(look) - 1, at(look), states, by_group, ends)).commits
    return rows


def event(look: int, arrived: int, partition: int, offset: int) -> Event:
    return Event("bus", "t", "id", partition, offset, at(look), at(arrived), "A")


EVENTS = st.builds(
    event, st.integers(-5, LOOKS + 30), st.integers(0, LOOKS), st.sampled_from(PARTITIONS),
    st.integers(0, 60),
)  # fmt: skip


def test_the_store_and_the_memory_say_the_same_whatever_clocks_say_and_whoever_else_is_asked() -> (
    None
):
    seen: Counter[str] = Counter()

    @settings(max_examples=examples(20))
    @given(st.integers(0, 2**32), st.lists(st.tuples(st.sampled_from(GROUPS), EVENTS), min_size=1))
    def look(seed: int, asked: list[tuple[str, Event]]) -> None:
        rows = commits(seed)
        watch = WatchRow("bus", START, at(LOOKS), EVERY, ("*",))
        memory = CommitsInMemory()
        memory.see(commits=rows, watches=[watch])
        with TemporaryDirectory() as folder:
            store = Store(Path(folder) / "s.duckdb")
            store.commit(Batch(rows={COMMITS.name: rows, WATCHES.name: [watch]})).result()
            with store.reader() as cursor:
                watches = Watches([watch])
                found = passages(cursor, asked, watches)
                alone = [passages(cursor, [one], watches)[0] for one in asked]
            store.close()
        assert found == alone
        for (group, one), passage in zip(asked, found, strict=True):
            known = memory.passage(group, one)
            # What was passed long before the event is said to have been there was another's.
            there = min(one.time, one.arrival) - SPARE
            if known.by is None or known.by > there:
                assert passage == known, (group, one)
            seen["not" if known.by is None else "first" if known.not_by is None else "passed"] += 1

    for _ in range(5):  # some random histories may hold none of the first that is known
        look()
        if len(seen) == 3:
            break
    assert len(seen) == 3, seen
