"""Events by their numbers: however far apart these lie."""

import random
from pathlib import Path

import pytest

from collector.batch import Batch
from collector.event import Event
from collector.store import reading
from collector.store.store import Store

STORED = 400


@pytest.mark.parametrize("at_once", [1, 3, 50])
@pytest.mark.parametrize("near", [0, 10, 1_000])
def test_events_by_their_numbers_each_once_and_in_order(
    at_once: int, near: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", at_once)
    monkeypatch.setattr(reading, "NEAR", near)
    store = Store(tmp_path / "store.duckdb")
    events = [Event("s", "t", "t", 0, n, 1, 1, "n", payload=f'"{n}"') for n in range(STORED)]
    store.commit(Batch(events=events)).result()
    chance = random.Random(at_once + near)
    with store.reader() as cursor:
        first = reading.first_seq(cursor)
        for count in (0, 1, 2, 7, 60):
            # Some of them are not stored any more, or not yet.
            asked = chance.sample(range(first - 3, first + STORED + 3), count)
            found = reading.events_at(cursor, asked)
            stored = [seq for seq in sorted(asked) if first <= seq < first + STORED]
            assert [event.seq for event in found] == stored
            assert [event.payload for event in found] == [f'"{seq - first}"' for seq in stored]
    store.close()


def test_one_statement_for_what_lies_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", 2)
    monkeypatch.setattr(reading, "NEAR", 10)
    near, far = [1, 2, 3, 4], [100, 200, 300]
    pieces = [list(piece) for piece in reading.not_far_apart([*near, *far])]
    assert pieces == [near, [100, 200], [300]]
