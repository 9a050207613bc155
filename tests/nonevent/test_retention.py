"""Retention: old flows go whole, open ones stay; the judge never takes what went for missing."""

import asyncio
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from collector.settings import SourceSettings, StoreSettings
from collector.store import reading, retention
from collector.times import US_PER_S, parse_time
from nonevent.config import Configuration
from nonevent.watch import Watch
from tests.watching import START, happened, write_events

DAY = 86_400 * US_PER_S
RULES = """
version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - {name: payment follows order, after: order.created, expect: order.paid, within: 20d}
  - {name: paid quickly, after: order.paid, expect: order.shipped, within: 1m}
"""
WINDOWS = """
version: 1
flow: order
expectations:
  - {name: enough, rate: visit, per: 1d, at_least: 5}
"""


class House:
    """A watch with a clock that is moved by hand; `restart` drops everything but the file."""

    def __init__(self, folder: Path, *, ties: bool = False, **settings: str) -> None:
        self.folder = folder
        self.now = START
        (folder / "rules.yaml").write_text(RULES)
        (folder / "events.jsonl").touch()
        self._configuration = Configuration(
            sources=[
                SourceSettings.model_validate(
                    {
                        "name": "s",
                        "file": {"path": folder / "events.jsonl"},
                        "keys": {"order": {"from": ["payload:order"], "ties": ties}},
                    }
                )
            ],
            expectations=[folder / "rules.yaml"],
            store=StoreSettings.model_validate({"path": folder / "s.duckdb", **settings}),
        )
        self.watch = self._made()

    def _made(self) -> Watch:
        return Watch(
            self._configuration,
            clock=lambda: self.now,
            sinks=["log"],
            link_base=lambda: "http://here",
            committed=lambda _: None,
            first_start=START,
        )

    async def restart(self) -> None:
        self.watch.store.close()
        self.watch = self._made()
        await self.watch.pick_up()
        for tap in self.watch.taps:
            await tap.start()

    async def see(self, *events: dict[str, Any]) -> None:
        """Events come in, read a second after the last of them happened, or later."""
        self.now = max(self.now, *(parse_time(e["time"]) + US_PER_S for e in events))
        write_events(self.folder / "events.jsonl", events)
        (tap,) = self.watch.taps
        while (batch := await tap.poll()).events:
            await self.watch.pipeline.take(batch)
        await self.watch.pipeline.settle()

    async def look_after(self, days: float) -> int:
        self.now += round(days * DAY)
        return await self.watch.keeping.look()

    def flows(self) -> dict[str, list[tuple[str, str | None]]]:
        """(name, payload) of the stored events, by flow."""
        with self.watch.store.reader() as cursor:
            events = reading.events(cursor, "ORDER BY seq")
        found: dict[str, list[tuple[str, str | None]]] = {}
        for event in events:
            for flow in event.correlation_ids or ("",):
                found.setdefault(flow, []).append((event.name, event.payload))
        return found

    def found(self) -> list[tuple[Any, ...]]:
        """Every row of the log of findings."""
        with self.watch.store.reader() as cursor:
            return cursor.execute(
                "SELECT seq, flow, expectation, finding, state, reason FROM finding_log "
                "ORDER BY seq"
            ).fetchall()

    def windows(self) -> list[int]:
        """The days about which something found is remembered; the first is START's."""
        lines = self.watch.judge.folds._lines
        return sorted((due - 1) // DAY - START // DAY for line in lines for due in line.found)


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    made = House(tmp_path, retention="7d")
    await made.restart()
    yield made
    made.watch.store.close()


def day(number: float, name: str, flow: object = None, **fields: Any) -> dict[str, Any]:
    return happened(number * 86_400, name, flow, **fields)


def whole(flow: str, at: float) -> Iterable[dict[str, Any]]:
    return (
        day(at, "order.created", flow, payload={"of": flow}),
        day(at + 0.0001, "order.paid", flow),
        day(at + 0.0002, "order.shipped", flow),
        day(at + 0.0003, "order.completed", flow),
    )


async def test_flows_that_are_over_go_and_open_ones_stay(house: House) -> None:
    await house.see(
        *whole("done", 0), day(0, "order.created", "waits", payload="secret"), day(0, "note"),
        day(0.1, "order.created", ["waits", "twin"]),
    )  # fmt: skip
    assert await house.look_after(0) == 0
    house.now += DAY
    await house.see(*whole("young", 1))
    assert await house.look_after(0) == 0
    assert set(house.flows()) == {"done", "waits", "twin", "young", ""}
    assert await house.look_after(6) == 5
    # Of the open one the payload went: no rule reads it.
    assert house.flows() == {
        "waits": [("order.created", None), ("order.created", None)],
        "twin": [("order.created", None)],
        "young": [
            (e["name"], '{"of":"young"}' if "payload" in e else None) for e in whole("young", 1)
        ],
    }
    # Its deadline is on day 20: it is missing then, for nothing of it was ever deleted.
    house.now += 14 * DAY
    await house.see(day(21, "note"))
    assert ("waits", "missing") in {(row[1], row[3]) for row in house.found()}
    # Very old, it goes too; what was found in it goes with it.
    await house.look_after(1)
    await house.look_after(31)
    assert house.flows() == {}
    assert house.found() == []


async def test_a_flow_of_which_no_deadline_has_passed_stays_if_something_is_pending(
    house: House,
) -> None:
    await house.see(day(0, "order.created", "waits"), day(0, "order.shipped", "nothing awaited"))
    assert await house.look_after(0) == 0
    house.now += DAY
    await house.see(*whole("young", 1))
    assert await house.look_after(6) == 1
    assert set(house.flows()) == {"waits", "young"}
    house.now += 14 * DAY
    await house.see(day(21, "note"))
    assert ("waits", "missing") in {(row[1], row[3]) for row in house.found()}


async def test_what_was_found_in_windows_goes_with_their_events(tmp_path: Path) -> None:
    house = House(tmp_path, retention="7d")
    (tmp_path / "rules.yaml").write_text(WINDOWS)
    await house.restart()
    try:
        for number in range(6):
            await house.see(day(number + 0.5, "visit", str(number)))
            assert await house.look_after(0) == 0
        # The sixth day is not over, and the first had begun when the watch did.
        assert [row[2:5] for row in house.found()] == [("enough", "too_few", "open")] * 4
        # A finding of its own is taken back, by events that come late.
        house.now += DAY // 2
        await house.see(*(day(1.55, "visit", f"late {number}") for number in range(4)))
        assert [row[4] for row in house.found()] == ["open"] * 4 + ["retracted"]
        await house.restart()
        assert await house.look_after(5) == 4
        # With the events of the first four days went what was found about the third and fourth.
        assert house.windows() == [4]
        await house.restart()
        assert house.windows() == [4]
        # What comes for such a day later is seen without the rest, and nothing is said of it.
        before = house.found()
        await house.see(day(2.55, "visit", "very late"))
        assert house.found() == before
        await house.look_after(0)
        await house.look_after(30)
        assert house.flows() == {}
        assert house.found() == []
        assert house.windows() == []
    finally:
        house.watch.store.close()


async def test_a_flow_goes_whole_or_not_at_all(house: House) -> None:
    await house.see(day(0, "order.created", "long"))
    await house.look_after(0)
    house.now += 6 * DAY
    await house.see(day(6, "order.paid", "long"), day(6, "order.shipped", "long"))
    await house.see(day(6, "order.completed", "long"))
    await house.look_after(0)
    assert await house.look_after(2) == 0
    assert len(house.flows()["long"]) == 4
    assert await house.look_after(6) == 4


async def test_after_retention_and_a_restart_the_same_findings_stand(house: House) -> None:
    await house.see(
        *whole("done", 0),
        day(0, "order.created", "failed"), day(0, "order.paid", "failed"),
        day(0.2, "order.shipped", "failed"), day(0.3, "order.completed", "failed"),
        day(0, "order.created", "stands"), day(0, "order.paid", "stands"),
        day(0.5, "note"),
    )  # fmt: skip
    assert {(row[1], row[3], row[4]) for row in house.found()} == {
        ("failed", "late", "closed"), ("stands", "missing", "open"),
    }  # fmt: skip
    await house.look_after(0)
    assert await house.look_after(8) == 9
    assert set(house.flows()) == {"stands"}
    before = house.found()
    assert {row[1] for row in before} == {"stands"}
    await house.restart()
    assert house.found() == before
    # What comes late for it is judged with all that there was.
    await house.see(day(0.4, "order.shipped", "stands"))
    assert house.found()[-1][1:5] == ("stands", "paid quickly", "late", "closed")


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_was_deleted_is_not_called_missing(house: House, restarted: bool) -> None:
    """A payment of old comes again, long after its flow was deleted with its shipping."""
    await house.see(*whole("done", 0))
    await house.look_after(0)
    assert await house.look_after(8) == 4
    if restarted:
        await house.restart()
    house.now += DAY
    await house.see(day(0.0001, "order.paid", "done"), day(9, "note"))
    assert house.found() == []
    with house.watch.store.reader() as cursor:
        from ui.flow_queries import FlowReader

        detail = FlowReader(cursor, house.watch.rules).detail("done")
    assert detail is not None
    assert detail.state == "partial"
    assert [(i.state, "retention" in i.text) for i in detail.instances] == [("unknown", True)]
    # What begins now is judged as ever.
    await house.see(day(9, "order.paid", "new"), day(9.1, "note"))
    assert [row[1:4] for row in house.found()] == [("new", "paid quickly", "missing")]


async def test_numbers_are_never_used_again(house: House) -> None:
    await house.see(*whole("done", 0))
    await house.look_after(0)
    await house.look_after(8)
    assert house.flows() == {}
    await house.restart()
    await house.see(*whole("new", 8))
    with house.watch.store.reader() as cursor:
        assert [e.seq for e in reading.events(cursor, "ORDER BY seq")] == [5, 6, 7, 8]
    assert await house.look_after(0.1) == 0


@pytest.mark.parametrize(
    "settings", [{"retention": "5d"}, {"max_size": "3MB"}], ids=["age", "size"]
)
async def test_the_file_reaches_a_plateau(tmp_path: Path, settings: dict[str, str]) -> None:
    house = House(tmp_path, **settings)
    await house.restart()
    rng = random.Random(1)
    sizes, counts = [], []
    try:
        for number in range(36):
            made = [event for n in range(250) for event in whole(f"{number}-{n}", number)]
            for event in made:
                event["payload"] = {"bytes": rng.randbytes(150).hex()}
            await house.see(*made, day(number, "order.created", f"open-{number}"))
            await house.look_after(1)
            sizes.append(house.watch.store.size())
            counts.append(len(house.flows()))
    finally:
        house.watch.store.close()
    # From day 21 on flows that stayed open until then miss something: more tables hold a row.
    early, late = sizes[:24], sizes[24:]
    assert max(late) <= 1.1 * max(early), sizes
    assert max(counts[15:]) - min(counts[15:]) <= 350
    assert counts[-1] < 36 * 250 / 2
    if "max_size" in settings:
        # A store so small is mostly blocks of 256 kB that are half empty, and a spare one each.
        assert max(sizes) < 8_000_000


async def test_a_flow_that_is_touched_while_it_is_decided_upon_stays(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.see(*whole("touched", 0), *whole("done", 0))
    await house.look_after(0)
    looked, loop = retention.region, asyncio.get_running_loop()

    def region(*asked: Any, **how: Any) -> Any:
        found = looked(*asked, **how)
        if found is not None and "touched" in found.flows:
            again = day(0.0004, "order.paid", "touched")
            asyncio.run_coroutine_threadsafe(house.see(again), loop).result()
        return found

    monkeypatch.setattr(retention, "region", region)
    assert await house.look_after(8) == 4
    assert list(house.flows()) == ["touched"]
    assert len(house.flows()["touched"]) == 5
