"""A start goes on with what was remembered and reads only later events back; so where keys tie."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analyzer import stages
from collector.event import Event
from collector.store import reading, tied
from nonevent import watch
from tests.nonevent.test_retention import day, whole
from tests.nonevent.test_tied_retention import TiedHouse

ONE, OTHER = {"order": "1"}, {"order": "2"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TiedHouse]:
    made = TiedHouse(tmp_path)
    await made.restart()
    yield made
    made.watch.store.close()


@pytest.fixture
def read_back(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each event that a start reads back, with others or for its flow's sake, its number."""
    found: list[int] = []
    read, read_flows = reading.all_events, stages.events_by_flow

    def all_events(cursor: duckdb.DuckDBPyConnection, *of: Any, **how: Any) -> Iterator[Any]:
        for events in read(cursor, *of, **how):
            found.extend(event.seq for event in events)
            yield events

    def events_by_flow(*of: Any) -> dict[str, list[Event]]:
        flows = read_flows(*of)
        found.extend(event.seq for events in flows.values() for event in events)
        return flows

    monkeypatch.setattr(reading, "all_events", all_events)
    for module in (stages, watch):
        monkeypatch.setattr(module, "events_by_flow", events_by_flow)
    return found


async def test_what_was_remembered_is_gone_on_with(house: TiedHouse, read_back: list[int]) -> None:
    # Two IDs that a value joins, one that is alone, an event of no ID that is tied, one of two.
    await house.see(
        day(0, "order.created", "b", payload=ONE), day(0, "order.paid", "a", payload=ONE),
        day(0, "order.created", "c"), day(0, "order.shipped", payload=ONE),
        day(0, "order.paid", ["c", "d"]),
    )  # fmt: skip
    assert house.kept() == house.named()
    assert set(house.kept()) == {"a", "c", "d"}
    before = house.kept()
    await house.watch.part()
    await house.restart()
    assert (read_back, house.kept()) == ([], before)
    # What comes goes on with it: a join, and an event that is tied by what came before the stop.
    await house.see(
        day(0, "order.paid", "e", payload=OTHER), day(0, "note", "c", payload=OTHER),
        day(0, "order.completed", payload=ONE),
    )  # fmt: skip
    assert house.kept() == house.named()
    assert set(house.kept()) == {"a", "c", "d"}


async def test_what_came_after_it_was_written_down_is_tied_as_it_came(
    house: TiedHouse, read_back: list[int]
) -> None:
    await house.see(day(0, "order.created", "b"), day(0, "order.created", "c", payload=OTHER))
    await house.watch.part()
    await house.see(day(0.001, "order.paid", "c", payload=ONE))
    await house.see(day(0.002, "order.paid", "a", payload=ONE), day(0.003, "note", payload=OTHER))
    await house.see(day(0.004, "order.shipped", "b", payload=ONE))
    before = house.kept()
    await house.restart()
    assert len(read_back) == 4
    assert house.kept() == before == house.named()
    assert set(before) == {"a"}


async def test_whoever_reads_the_store_back_waits_for_nobody_who_waits_for_readers(
    house: TiedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a full disk the writer opens the file again, when nobody reads it: it would wait for
    the start, and the start for the flow that the writer is to read back."""
    await house.see(*whole("a", 0))
    await house.see(day(0.1, "order.created", "b"))
    assert set(house.kept()) == {"b"}, "the other one is done, and was let go of"
    await house.watch.part()
    await house.see(day(0.1001, "order.paid", "a"))
    read: list[str] = []
    load = watch.Watch._load_flows

    def load_flows(self: watch.Watch, flows: Sequence[str]) -> dict[str, list[Event]]:
        assert self.store._reading == 0
        return load(self, flows)

    def events_by_flow(cursor: Any, flows: Sequence[str], *more: Any) -> dict[str, list[Event]]:
        read.extend(flows)
        return tied.events_by_flow(cursor, flows, *more)

    monkeypatch.setattr(watch.Watch, "_load_flows", load_flows)
    monkeypatch.setattr(stages, "events_by_flow", events_by_flow)
    await house.restart()
    assert read == ["a"]


async def test_what_is_read_back_in_parts_is_whole_where_a_later_part_ties(
    house: TiedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody carries its value yet.
    await house.see(day(0, "order.shipped", payload=ONE))
    await house.watch.part()
    await house.see(day(0.001, "order.created", "a"), day(0.002, "order.paid", "a", payload=ONE))
    monkeypatch.setattr(reading, "CHUNK", 1)
    await house.restart()
    assert house.kept() == house.named() == {"a": {1, 2, 3}}


async def test_after_a_crash_what_was_read_back_is_not_read_back_again(
    house: TiedHouse, read_back: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.see(*whole("a", 0), day(0, "order.created", "b"))
    for many, reads in ((5, 5), (5, 5), (4, 5), (4, 0)):
        monkeypatch.setattr(stages, "MANY", many)
        await house.restart()
        assert len(read_back) == reads
        assert house.kept().items() <= house.named().items()
        read_back.clear()


async def test_where_other_keys_tie_than_did_all_is_read_back(
    house: TiedHouse, read_back: list[int]
) -> None:
    await house.see(*whole("a", 0), day(0, "order.created", "b", payload=ONE))
    await house.watch.part()
    keys = house._configuration.sources[0].keys
    keys["order"] = keys["order"].model_copy(update={"ties": False})
    await house.restart()
    assert len(read_back) == 5
    assert house.watch.live.ties is None
