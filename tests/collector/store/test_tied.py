"""What the database ties of stored events is what the events tie, and counted by flow they are all
there once."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.batch import Batch
from collector.event import Event
from collector.store import reading, tied
from collector.store.store import Store
from collector.store.tied import counts_by_flow, save_tying, stored_ties, tie_stored
from collector.ties import MOST_CARRIERS, Ties, tied_flows

TYING = {"s": frozenset({"order", "payment"}), "other": frozenset({"order"})}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "s.duckdb")
    save_tying(opened, TYING)
    yield opened
    opened.close()


def some(rng: random.Random, count: int) -> list[Event]:
    """Few IDs and values, so that they meet; of one value there are too many IDs. Most stores have
    events of no ID, or of several."""
    found = []
    loose = rng.choice((1, 1, 0))
    for number in range(count):
        ids = [
            f"f{rng.randrange(60)}" for _ in range(rng.choice((1 - loose, 1, 1, 1, 1, 1 + loose)))
        ]
        keys = {
            name: f"{rng.randrange(40)}"
            for name in ("order", "payment", "customer")
            if rng.random() < 0.3
        }
        if rng.random() < 0.2:
            keys["order"] = "everybody's"
        source = rng.choice(("s", "s", "other", "third"))
        found.append(
            Event(source, "t", "t", 0, number, number, number, rng.choice("ABC"),
                  tuple(dict.fromkeys(ids)), None, tuple(keys.items()))
        )  # fmt: skip
    return found


def state(ties: Ties) -> object:
    """All that it answers with, but for the order in which it came."""
    groups = {id: (sorted(group.ids), group.name) for id, group in ties._groups.items()}
    carriers = {key: set(ids) for key, ids in ties._carriers.items()}
    known = ties.common, +ties._early
    keys = {flow: set(ties.keys(flow)) for flow in ties._carried if ties.keys(flow)}
    return groups, carriers, known, keys


@pytest.mark.parametrize("seed", range(6))
def test_the_store_ties_what_its_events_tie(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(tied, "TIED_AT_ONCE", rng.choice((7, 1000)))
    events = some(rng, 300)
    store.commit(Batch(events)).result()
    with store.reader() as cursor:
        ties, middle = stored_ties(cursor), rng.randrange(300)
        assert ties is not None
        tie_stored(cursor, ties, 0, middle)
        of_some = Ties(TYING)
        of_some.add(events[:middle])
        assert state(ties) == state(of_some)
        for names in (None, ["A", "C"]):
            found = list(counts_by_flow(cursor, names, middle, ties))
            assert len({flow for flow, _, _ in found}) == len(found)
            assert {one for one in found if one[1] or one[2]} == expected(events[:middle], names)
        tie_stored(cursor, ties, middle, reading.last_seq(cursor))
        assert {flow: ties.ids(flow) for flow in tied_flows(events, TYING)} == {
            name: list(flow.ids) for name, flow in tied_flows(events, TYING).items()
        }
    assert ties.common == {("order", "everybody's")}
    assert len({id for e in events for id in e.correlation_ids}) > MOST_CARRIERS
    assert ties.joined()


def expected(events: list[Event], names: list[str] | None) -> set[tuple[str, int, int]]:
    counts = {
        flow: Counter(names is None or event.name in names for event in whole.events)
        for flow, whole in tied_flows(events, TYING).items()
    }
    return {(flow, count[True], count[False]) for flow, count in counts.items()}
