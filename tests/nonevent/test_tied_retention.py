"""Retention where keys tie: flows go as they are tied, and what is left is tied as it was."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.event import Event
from collector.store import reading, retention, tied
from collector.store.tied import StoredTies, stored_ties
from collector.ties import MOST_CARRIERS, Key, Ties, tied_flows
from nonevent.keeping import _Deletion
from tests.examples import examples
from tests.nonevent.test_retention import DAY, House, day, whole

RULES = """
version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - {name: payment follows order, after: order.created, expect: order.paid, within: 2d}
  - {name: paid quickly, after: order.paid, expect: order.shipped, within: 1h}
"""
NAMES = ("order.created", "order.paid", "order.shipped", "order.completed", "note")


class TiedHouse(House):
    """Knows what there was, and what of it is common."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ties=True, retention="3d", max_flow_age="9d")
        (folder / "rules.yaml").write_text(RULES)
        self.common: set[Key] = set()
        """Values that once were on too many correlation IDs at a time."""
        self.readers = StoredTies(self.watch.store)

    async def restart(self) -> None:
        await super().restart()
        self.readers = StoredTies(self.watch.store)
        carried = {key for event in self.stored() for key in _carries(event)}
        self.common &= carried

    async def see(self, *events: dict[str, Any]) -> None:
        await super().see(*events)
        carriers: dict[Key, set[str]] = {}
        for event in self.stored():
            for key in _carries(event):
                carriers.setdefault(key, set()).update(event.correlation_ids)
        self.common |= {key for key, ids in carriers.items() if len(ids) > MOST_CARRIERS}

    @property
    def ties(self) -> Ties:
        assert self.watch.keeping._ties is not None
        return self.watch.keeping._ties

    def stored(self) -> list[Event]:
        with self.watch.store.reader() as cursor:
            return reading.events(cursor, "ORDER BY seq")

    def kept(self) -> dict[str, set[int]]:
        """By name the events of each flow that the judge keeps in memory."""
        live = self.watch.live
        seq_at = {event.offset: event.seq for event in self.stored()}
        return {
            name: {seq_at[e.offset] for e in live._origins.events(name, flow.packed, flow.count)}
            for name, flow in live.flows.items()
        }

    def named(self) -> dict[str, set[int]]:
        """By name the events of each flow that a rule names, read off the set of events."""
        ruled = {event.seq for event in self.stored() if event.name in self.watch.live.names()}
        return {ids[0]: events & ruled for ids, events in self.members().items() if events & ruled}

    def members(self) -> dict[tuple[str, ...], set[int]]:
        """By the correlation IDs of each flow its events, read off the set of events."""
        tying = self.ties.tying
        found = tied_flows(self.stored(), tying, self.common).values()
        return {flow.ids: {event.seq for event in flow.events} for flow in found}


def _carries(event: Event) -> Iterator[Key]:
    return iter(event.keys if len(event.correlation_ids) == 1 else ())


def told(ties: Ties, events: list[Event]) -> dict[tuple[str, ...], set[int]]:
    found: dict[tuple[str, ...], set[int]] = {}
    for event in events:
        for flow in ties.flows(event):
            found.setdefault(tuple(ties.ids(flow)), set()).add(event.seq)
    return found


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    made = TiedHouse(tmp_path)
    await made.restart()
    yield made
    made.watch.store.close()


async def test_a_flow_that_keys_tie_goes_as_a_whole_and_only_then(house: TiedHouse) -> None:
    one = {"order": "1"}
    await house.see(*whole("a", 0), day(0, "note", "a", payload=one))
    await house.look_after(0)
    house.now += 2 * DAY
    # Under another ID, of no ID, and of two: they are of that flow, and younger.
    await house.see(day(2, "note", "b", payload=one))
    await house.look_after(1.5)
    assert len(house.stored()) == 6
    await house.see(day(3.5, "note", payload=one))
    await house.look_after(2)
    await house.see(day(5.5, "note", ["x", "y"], payload=one))
    await house.look_after(2)
    assert len(house.stored()) == 8
    assert await house.look_after(4) == 8
    assert house.stored() == []
    # Who comes with that value now is not joined with who is no more.
    await house.see(day(12, "note", "c", payload=one), day(12, "note", payload=one))
    assert list(house.members()) == [("c",)]
    assert told(house.ties, house.stored()) == house.members()


async def test_what_is_common_stays_so_when_who_carried_it_is_deleted(house: TiedHouse) -> None:
    hot = {"order": "hot"}
    with house.readers.reader() as (_, ties):
        assert ties is not None  # it reads again only when some are gone
    await house.see(*(day(0, "note", f"{n:02}", payload=hot) for n in range(MOST_CARRIERS)))
    assert len(house.members()) == 1
    await house.see(day(0, "note", "more", payload=hot))
    await house.look_after(0)
    house.now += 2 * DAY
    await house.see(day(2, "note", "p", payload=hot), day(2, "note", "q", payload=hot))
    assert await house.look_after(2) == MOST_CARRIERS + 1
    for _ in range(2):
        assert house.common == house.ties.common == {("order", "hot")}
        assert set(house.members()) == {("p",), ("q",)}
        assert told(house.ties, house.stored()) == house.members()
        with house.readers.reader() as (_, ties):
            assert ties is not None
            assert told(ties, house.stored()) == house.members()
        await house.restart()
    # When no event has it any more, a start forgets it.
    assert await house.look_after(3) == 2
    assert house.ties.common == {("order", "hot")}
    await house.restart()
    assert house.ties.common == set()
    with house.watch.store.reader() as cursor:
        fresh = stored_ties(cursor)
    assert fresh is not None
    assert fresh.common == set()


async def test_what_comes_to_a_flow_while_it_is_decided_upon_keeps_it(
    house: TiedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.see(*whole("joined", 0), day(0, "note", "joined", payload={"order": "1"}))
    await house.see(*whole("told of", 0), day(0, "note", "told of", payload={"order": "2"}))
    await house.see(*whole("done", 0))
    await house.look_after(0)
    looked, loop = retention.region, asyncio.get_running_loop()
    come = [
        day(0.1, "note", "other", payload={"order": "1"}),
        day(0.1, "note", payload={"order": "2"}),
    ]

    def region(*asked: Any, **how: Any) -> Any:
        found = looked(*asked, **how)
        if found is not None and come:
            asyncio.run_coroutine_threadsafe(house.see(*come), loop).result()
            come.clear()
        return found

    monkeypatch.setattr(retention, "region", region)
    assert await house.look_after(4) == 4
    assert {ids: len(events) for ids, events in house.members().items()} == {
        ("joined", "other"): 6, ("told of",): 6,
    }  # fmt: skip


async def test_who_comes_again_before_the_deletion_is_written_is_known_to_who_reads(
    house: TiedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"order": "1"}
    await house.see(*whole("a", 0), day(0, "note", "a", payload=one))
    await house.look_after(0)
    keeping, written = house.watch.keeping, []
    write = keeping._job

    async def job(done: Any) -> None:
        if isinstance(done, _Deletion) and not written:
            written.append(done)
            await house.see(*(day(0.1, "note", id, payload=one) for id in ("a", "b")))
            with house.readers.reader() as (_, ties):
                assert ties is not None
        await write(done)

    monkeypatch.setattr(keeping, "_job", job)
    assert await house.look_after(4) == 5
    assert {ids: len(events) for ids, events in house.members().items()} == {("a", "b"): 2}
    assert told(house.ties, house.stored()) == house.members()
    with house.readers.reader() as (_, ties):
        assert ties is not None
        assert told(ties, house.stored()) == house.members()


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_whatever_comes_and_goes_all_agree_on_what_is_left(
    house: TiedHouse, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    # Who reads hears of what was deleted, or begins anew.
    monkeypatch.setattr(tied, "NOTED", seed % 2 * 100 * DAY)
    went = 0
    for number in range(24):
        await house.see(*_some(rng, number))
        before, events = house.members(), house.stored()
        assert told(house.ties, events) == before
        await house.look_after(1)
        left = {event.seq for event in house.stored()}
        went += len(events) - len(left)
        gone = {event.seq for event in events} - left
        for ids, numbers in before.items():
            assert numbers <= gone or numbers.isdisjoint(gone), ids
        after = house.members()
        assert after == {ids: numbers for ids, numbers in before.items() if numbers <= left}
        assert house.ties.common == house.common
        assert told(house.ties, house.stored()) == after
        if rng.random() < 0.5:
            with house.readers.reader() as (_, ties):
                assert ties is not None
                assert told(ties, house.stored()) == after
        if rng.random() < 0.2:
            found = house.found()
            await house.restart()
            assert house.found() == found
            assert told(house.ties, house.stored()) == after
            assert house.kept().items() <= house.named().items()
    assert went > 100
    for _ in range(12):
        await house.look_after(1)
    assert house.stored() == []
    assert house.found() == []
    ties = house.ties
    assert (ties._carried, ties._groups, ties._early) == ({}, {}, {})
    assert set(ties._carriers) <= ties.common


def _some(rng: random.Random, number: int) -> Iterator[dict[str, Any]]:
    """Of a day: most IDs and values are of that day, some are of one before, one is everybody's."""
    for turn in range(rng.randint(5, 40)):
        of = max(0, number - rng.choice((0, 0, 0, 0, 1, 2, 6)))
        count = rng.choice((1, 1, 1, 1, 1, 1, 0, 2))
        ids = [f"{of}-{rng.randrange(12)}" for _ in range(count)]
        value = "all" if rng.random() < 0.04 else f"{of}-{rng.randrange(rng.choice((3, 30)))}"
        payload = {"order": value} if rng.random() < 0.6 else {}
        yield day(number + turn / 100, rng.choice(NAMES), ids, payload=payload)
