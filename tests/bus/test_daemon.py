"""The whole house on a real broker: a shop with faults, a daemon that is killed, and the truth."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collector.times import US_PER_S, format_time
from demo.broker import Broker
from demo.crew import Crew
from demo.faults import FAULTS, LOTS
from demo.plan import FaultPlan
from demo.rules import agents_rules, shop_rules
from demo.shop import Shop, Timing
from demo.switches import Switches
from demo.truth import Truth, TruthLine, in_the_end
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.reading import read_all

# By who commits them. No rule can see the schema, and it must change no finding.
OF_PAYMENT = ("lost-outcome", "late", "double-processing", "tax-in-amount")
OF_INVENTORY = ("dropped-correlation", "retry-storm")
OF_SHIPPING = ("duplicate", "dead-letter", "dead-letter-bare", "cancel-ship-race", "schema-change")
OF_AGENTS = ("agent-silent", "agent-late")
OF_LOTS = [name for name, fault in FAULTS.items() if fault.reach in LOTS]
HAMPERING = ("stopped-consumer", "slow-consumer", "poison-message", "hung-transaction")
ORDERS = 40
RATE = 15.0
WITHIN_S = 3.0
GRACE_S = 2.0
TIMING = Timing(within=WITHIN_S, late_by=GRACE_S + 1.5, sluggish=0.5)
RULES = (shop_rules(*["3s"] * 4) + "grace: 2s\n", agents_rules(*["3s"] * 2) + "grace: 2s\n")

Told = tuple[str, str, str]
"""Flow, expectation, finding."""


@dataclass
class Watch:
    """What was true, what was found, and what people were told."""

    truth: list[TruthLine]
    findings: list[dict[str, Any]]
    webhooks: list[dict[str, Any]]
    daemon: DaemonProcess
    topics: list[str]
    dropped: list[dict[str, Any]]

    def expected(self) -> set[Told]:
        return {
            (line.flow or "", line.expect["expectation"], line.expect["finding"])
            for line in in_the_end(self.truth)
        }

    def found(self) -> set[Told]:
        return {
            (one["flow"], one["expectation"], one["finding"])
            for one in self.findings
            if one["state"] != "retracted"
        }

    def scores(self) -> dict[str, dict[str, float]]:
        """Of each fault that rules can see: how much of what was found in its flows is true, and
        how much of what is true was found. Findings in flows without a fault are `none`'s."""
        seen = in_the_end(self.truth)
        of = {(line.flow or "", *_told(line)): line.fault for line in seen}
        flows = {line.flow or "": line.fault for line in self.truth}
        found, scores = self.found(), {}
        for fault in sorted({*of.values(), *(flows.get(flow, "none") for flow, _, _ in found)}):
            true = {told for told, name in of.items() if name == fault}
            here = {one for one in found if of.get(one, flows.get(one[0], "none")) == fault}
            scores[fault] = {
                "true": len(true),
                "precision": len(here & true) / len(here) if here else 1.0,
                "recall": len(here & true) / len(true) if true else 1.0,
            }
        for fault, score in scores.items():
            print(f"{fault:22} {score}")
        return scores


def _told(line: TruthLine) -> tuple[str, str]:
    return line.expect["expectation"], line.expect["finding"]


async def kill_at_random(daemon: DaemonProcess, seed: int, kills: int) -> None:
    moments = random.Random(seed)
    for _ in range(kills):
        await asyncio.sleep(moments.uniform(0.3, 3.0))
        daemon.kill()
        daemon.start()


Trade = Callable[[Shop, Crew], Awaitable[None]]


def take(orders: int) -> Trade:
    """So many orders, and as many conversations."""

    async def trade(shop: Shop, crew: Crew) -> None:
        await asyncio.gather(shop.take(RATE, orders), crew.take(RATE, orders))

    return trade


async def hamper_in_turn(shop: Shop, crew: Crew) -> None:
    """Orders go on while each service's fault is on until some have missed their deadline."""
    orders = asyncio.create_task(shop.take(RATE / 2))
    for fault in HAMPERING:
        shop.switches.switch(fault, on=True)
        while sum(one.fault == fault and bool(one.flow) for one in shop.truth.lines) < 3:
            if orders.done():
                orders.result()
            await asyncio.sleep(0.1)
        shop.switches.switch(fault, on=False)
    orders.cancel()


async def watch(
    broker: Broker, prefix: str, folder: Path, plan: FaultPlan, *, kills: int, trade: Trade
) -> Watch:
    """Runs shop and crew beside a daemon that is killed, until everything is settled."""
    with (
        Receiver() as receiver,
        Truth(folder / "truth.jsonl") as truth,
        DaemonProcess(folder, broker.bootstrap, f"{prefix}.*", RULES, receiver.url) as daemon,
    ):
        # What lies before the first start is history, and would be told to nobody.
        await asyncio.to_thread(daemon.ask, "/api/status")
        switches = Switches(plan)
        shop = Shop(broker.bootstrap, switches, truth, TIMING, prefix=f"{prefix}.")
        crew = Crew(broker.bootstrap, switches, truth, TIMING, prefix=f"{prefix}.")
        async with shop, crew:
            killer = asyncio.create_task(kill_at_random(daemon, plan.seed, kills))
            await trade(shop, crew)
            await asyncio.gather(shop.settled(), crew.settled())
            await killer
        over = format_time(time.time_ns() // 1000 + round((WITHIN_S + GRACE_S + 1) * US_PER_S))
        while await asyncio.to_thread(daemon.settled_to) < over:
            await asyncio.sleep(0.2)
        findings = await asyncio.to_thread(daemon.findings)
        dropped = (await asyncio.to_thread(daemon.ask, "/api/dropped"))["items"]
        while await asyncio.to_thread(lambda: daemon.ask("/api/status")["outbox"]):
            await asyncio.sleep(0.2)
        assert daemon.kills == kills
        daemon.stop()
        topics = [*shop.topics, *crew.topics]
        return Watch(truth.lines, findings, list(receiver.taken), daemon, topics, dropped)


async def check_nothing_lost_nothing_twice(broker: Broker, result: Watch) -> None:
    """The store holds the bus's positions: each once."""
    records = await read_all(broker.bootstrap, result.topics)
    on_bus = sorted((r.topic, r.partition, r.offset) for r in records)
    with duckdb.connect(str(result.daemon.store), read_only=True) as store:
        stored = store.execute(
            'SELECT topic, partition, "offset" FROM events ORDER BY ALL'
        ).fetchall()
    assert stored == on_bus


def check_dropped(result: Watch) -> None:
    """Whoever drops correlation IDs is named first, with the orders that suffered."""
    lost = [line for line in result.truth if line.fault == "dropped-correlation"]
    if not lost:
        assert result.dropped == []
        return
    first = result.dropped[0]
    assert (first["name"], first["producer"]) == ("stock.reserved", "inventory")
    assert first["dropped"] == len(lost)
    assert first["carried"] > 0
    assert first["example"] in {line.flow for line in lost}


def check_webhooks(result: Watch) -> None:
    """Every finding was told within its alert, and each alert's last word is how it stands."""
    ids = {one["id"] for one in result.findings}
    told: set[str] = set()
    last: dict[tuple[str, str], str] = {}
    prints: dict[tuple[str, str], set[str]] = {}
    for body in result.webhooks:
        assert body["labels"]["environment"] == "test"
        told.update(one["id"] for one in body["findings"])
        for one in (body, *body["also"]):
            which = one["type"], one["expectation"]
            last[which] = body["status"]
            prints.setdefault(which, set()).add(one["fingerprint"])
    assert told <= ids
    # What was merged into a later message, for the sink took nothing meanwhile, is counted there.
    counted = {_which(b) for b in result.webhooks if b["merged"] or b["new"] > len(b["findings"])}
    counted |= {_which(one) for body in result.webhooks for one in body["also"]}
    silent = [
        one for one in result.findings if _which(one) not in counted and one["id"] not in told
    ]
    heard = [
        (b["id"], b["status"], b["change"], b["count"], b["new"], b["merged"], b["moment"],
         [f["id"] for f in b["findings"]])
        for b in result.webhooks
        if any(_which(b) == _which(one) for one in silent)
    ]  # fmt: skip
    assert not silent, (silent, heard, result.daemon.tail())
    assert set(last) == {_which(one) for one in result.findings}
    assert all(len(found) == 1 for found in prints.values()), "one alert for each expectation"
    # What was true stands on for a minute, though its flow has ended or it came late.
    lately = format_time(time.time_ns() // 1000 - 60 * US_PER_S)
    open_ = {_which(one) for one in result.findings if one["state"] == "open"}
    just = {_which(one) for one in result.findings if one["found_at"] > lately}
    assert open_ <= {which for which, status in last.items() if status == "firing"} <= open_ | just


def _which(finding: dict[str, Any]) -> tuple[str, str]:
    return finding["type"], finding["expectation"]


@pytest.mark.parametrize(
    "faults", [OF_PAYMENT, OF_INVENTORY, OF_SHIPPING, OF_AGENTS], ids=lambda names: names[0]
)
async def test_findings_equal_the_truth_though_the_daemon_is_killed(
    faults: tuple[str, ...], broker: Broker, topic_name: str, tmp_path: Path, seed: int
) -> None:
    plan = FaultPlan(len(faults) + 10 * seed, dict.fromkeys(faults, 0.15))
    result = await watch(broker, topic_name, tmp_path, plan, kills=3, trade=take(ORDERS))
    assert {line.fault for line in result.truth} == set(faults), "each must have happened"
    assert result.found() == result.expected(), result.daemon.tail()
    assert all(s["precision"] == s["recall"] == 1 for s in result.scores().values())
    check_webhooks(result)
    check_dropped(result)
    await check_nothing_lost_nothing_twice(broker, result)


async def test_findings_equal_the_truth_while_services_stop_lag_and_hang(
    broker: Broker, topic_name: str, tmp_path: Path, seed: int
) -> None:
    plan = FaultPlan(8 + 10 * seed)
    result = await watch(broker, topic_name, tmp_path, plan, kills=2, trade=hamper_in_turn)
    assert {line.fault for line in result.truth} == set(HAMPERING)
    assert result.found() == result.expected(), result.daemon.tail()
    assert Counter(kind for _, _, kind in result.found())["missing"] == 1, "the poison itself"
    check_webhooks(result)
    await check_nothing_lost_nothing_twice(broker, result)


async def test_a_shop_in_order_has_no_finding(
    broker: Broker, topic_name: str, tmp_path: Path, seed: int
) -> None:
    plan = FaultPlan(7 + 10 * seed)
    result = await watch(broker, topic_name, tmp_path, plan, kills=2, trade=take(ORDERS))
    assert not result.truth
    assert not result.findings
    assert not result.webhooks


@pytest.mark.field
@pytest.mark.timeout(1500)
async def test_all_faults_at_once_with_many_kills(
    seed: int, broker: Broker, topic_name: str, tmp_path: Path, figures: Callable[..., None]
) -> None:
    plan = FaultPlan(100 + seed, dict.fromkeys(OF_LOTS, 0.07))
    result = await watch(broker, topic_name, tmp_path, plan, kills=25, trade=take(600))
    found, expected = result.found(), result.expected()
    told = [body["fingerprint"] for body in result.webhooks]
    figures(
        orders=600,
        faults=dict(Counter(line.fault for line in result.truth)),
        expected=len(expected),
        found=len(found),
        false=len(found - expected),
        missed=len(expected - found),
        retracted=sum(one["state"] == "retracted" for one in result.findings),
        webhooks=len(told),
        fingerprints=len(set(told)),
        by_fault=result.scores(),
    )
    assert found == expected, result.daemon.tail()
    check_webhooks(result)
    await check_nothing_lost_nothing_twice(broker, result)
