"""Sorting events by flow: in memory, on disk, with keys that tie; nothing lost, nothing twice."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.backtest.piles import IN_MEMORY, ShelfError
from analyzer.backtest.shelves import Shelves
from collector.event import Event
from collector.ties import Ties, Tying, tied_flows

TYING: Tying = {"s": frozenset({"order"})}
ids = st.lists(st.sampled_from(["x", "y", "z", "é"]), max_size=2, unique=True).map(tuple)
keys = st.sampled_from([(), (("order", "1"),), (("order", "2"), ("other", "9"))])


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    return [
        Event("s", "t", "t", 0, n, n, n, f"n{n % 3}", draw(ids), keys=draw(keys), payload="{}")
        for n in range(draw(st.integers(0, 30)))
    ]


def positions(found: dict[str, list[Event]]) -> dict[str, list[int]]:
    return {flow: sorted(event.offset for event in some) for flow, some in found.items()}


@given(events(), st.sampled_from([{}, TYING]), st.sampled_from([0, IN_MEMORY]))
def test_flows_are_those_of_the_whole_set_of_events(
    given: list[Event], tying: Tying, in_memory: int
) -> None:
    expected = {n: list(flow.events) for n, flow in tied_flows(given, tying).items()}
    with Shelves(Ties(tying) if tying else None, frozenset(), in_memory) as shelves:
        for start in range(0, len(given), 7):
            shelves.put(given[start : start + 7])
        taken = list(shelves.flows())
    found = {flow: some for shelf in taken for flow, some in shelf.flows}
    assert positions(found) == positions(expected)
    assert sum(shelf.events for shelf in taken) == len(given)
    assert sum(len(shelf.flows) for shelf in taken) == len(expected)


def test_a_position_that_comes_twice_is_one_event() -> None:
    one = Event("s", "t", "t", 0, 1, 5, 5, "n", ("x", "y"))
    loose = Event("s", "t", "t", 0, 2, 5, 5, "n")
    with Shelves(None, frozenset()) as shelves:
        shelves.put([one, loose])
        shelves.put([one, loose])
        taken = list(shelves.flows())
    assert sum(shelf.events for shelf in taken) == 2
    assert {flow: len(some) for shelf in taken for flow, some in shelf.flows} == {"x": 1, "y": 1}


def test_payloads_that_no_rule_reads_are_let_go_of() -> None:
    both = [
        Event("s", "t", "t", 0, n, 5, 5, name, ("x",), headers='[["a","b"]]', payload="{}")
        for n, name in enumerate(("read", "unread"))
    ]
    with Shelves(None, frozenset({"read"})) as shelves:
        shelves.put(both)
        ((_, found),) = [one for shelf in shelves.flows() for one in shelf.flows]
    assert [(e.payload, e.headers) for e in found] == [("{}", '[["a","b"]]'), (None, "[]")]


def test_no_room_is_told_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Shelves(None, frozenset(), 0) as shelves:
        (folder,) = tmp_path.iterdir()
        folder.rmdir()
        with pytest.raises(ShelfError, match=f"sorted in {folder}: No such file.*set TMPDIR"):
            shelves.put([Event("s", "t", "t", 0, 1, 5, 5, "n", ("x",))])


def test_the_folder_is_gone_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fails() -> None:
        with Shelves(None, frozenset(), 0) as shelves:
            shelves.put([Event("s", "t", "t", 0, 1, 5, 5, "n", ("x",))])
            assert [path for path in tmp_path.rglob("*") if path.is_file()]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not list(tmp_path.iterdir())
