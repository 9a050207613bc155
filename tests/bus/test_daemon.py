"""The whole house on a real broker: a shop with faults, a daemon that is killed, and the truth."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collector.times import US_PER_S, format_time
from demo.broker import Broker
from demo.faults import FaultPlan
from demo.shop import TOPICS, Shop, Timing
from demo.shop.rules import shop_rules
from demo.truth import Truth, TruthLine
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.reading import read_all

FAULTS = ("lost-outcome", "late", "duplicate", "dropped-correlation")
ORDERS = 30
RATE = 15.0
WITHIN_S = 3.0
GRACE_S = 2.0
TIMING = Timing(payment_within=WITHIN_S, late_by=GRACE_S + 1.5)
RULES = shop_rules(*["3s"] * 4) + "grace: 2s\n"

Told = tuple[str, str, str]
"""Flow, expectation, finding."""


@dataclass
class Watch:
    """What was true, what was found, and what people were told."""

    truth: list[TruthLine]
    findings: list[dict[str, Any]]
    webhooks: list[dict[str, Any]]
    daemon: DaemonProcess

    def expected(self) -> set[Told]:
        return {
            (line.flow, line.expect["expectation"], line.expect["finding"]) for line in self.truth
        }

    def found(self) -> set[Told]:
        return {
            (one["flow"], one["expectation"], one["finding"])
            for one in self.findings
            if one["state"] != "retracted"
        }


async def kill_at_random(daemon: DaemonProcess, seed: int, kills: int) -> None:
    moments = random.Random(seed)
    for _ in range(kills):
        await asyncio.sleep(moments.uniform(0.3, 3.0))
        daemon.kill()
        daemon.start()


async def watch(
    broker: Broker, prefix: str, folder: Path, plan: FaultPlan, *, kills: int, orders: int = ORDERS
) -> Watch:
    """Runs the shop beside a daemon that is killed, until everything is settled."""
    with (
        Receiver() as receiver,
        Truth(folder / "truth.jsonl") as truth,
        DaemonProcess(folder, broker.bootstrap, f"{prefix}.*", RULES, receiver.url) as daemon,
    ):
        # What lies before the first start is history, and would be told to nobody.
        await asyncio.to_thread(daemon.ask, "/api/status")
        async with Shop(broker.bootstrap, plan, truth, TIMING, prefix=f"{prefix}.") as shop:
            killer = asyncio.create_task(kill_at_random(daemon, plan.seed, kills))
            await shop.take_orders(RATE, orders)
            await shop.settled()
            await killer
        over = format_time(time.time_ns() // 1000 + round((WITHIN_S + GRACE_S + 1) * US_PER_S))
        while await asyncio.to_thread(daemon.settled_to) < over:
            await asyncio.sleep(0.2)
        findings = await asyncio.to_thread(daemon.findings)
        while await asyncio.to_thread(lambda: daemon.ask("/api/status")["outbox"]):
            await asyncio.sleep(0.2)
        assert daemon.kills == kills
        daemon.stop()
        return Watch(truth.lines, findings, list(receiver.taken), daemon)


async def check_nothing_lost_nothing_twice(broker: Broker, prefix: str, daemon: DaemonProcess):
    """The store holds the bus's positions: each once."""
    records = await read_all(broker.bootstrap, [f"{prefix}.{topic}" for topic in TOPICS])
    on_bus = sorted((r.topic, r.partition, r.offset) for r in records)
    with duckdb.connect(str(daemon.store), read_only=True) as store:
        stored = store.execute(
            'SELECT topic, partition, "offset" FROM events ORDER BY ALL'
        ).fetchall()
    assert stored == on_bus


def check_webhooks(result: Watch) -> None:
    """Each finding was told, under its own fingerprint; what came twice was the same."""
    told: dict[str, dict[str, Any]] = {}
    for body in result.webhooks:
        finding = body["finding"]
        first = told.setdefault(body["fingerprint"], finding)
        for field in ("flow", "expectation", "deadline", "activation"):
            assert finding[field] == first[field]
        assert finding["labels"]["environment"] == "test"
    assert set(told) == {one["id"] for one in result.findings}
    last = {body["fingerprint"]: body for body in result.webhooks}
    for one in result.findings:
        body = last[one["id"]]
        assert body["finding"]["state"] == one["state"]
        assert body["status"] == ("firing" if one["state"] == "open" else "resolved")


@pytest.mark.parametrize("fault", FAULTS)
async def test_findings_equal_the_truth_though_the_daemon_is_killed(
    fault: str, broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    plan = FaultPlan(FAULTS.index(fault) + 1, {fault: 0.25})
    result = await watch(broker, topic_name, tmp_path, plan, kills=3)
    assert result.truth, "the fault must have happened"
    assert result.found() == result.expected(), result.daemon.tail()
    check_webhooks(result)
    await check_nothing_lost_nothing_twice(broker, topic_name, result.daemon)


async def test_a_shop_in_order_has_no_finding(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    result = await watch(broker, topic_name, tmp_path, FaultPlan(7, {}), kills=2)
    assert not result.truth
    assert not result.findings
    assert not result.webhooks


@pytest.mark.field
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", range(100, 105))
async def test_all_faults_at_once_with_many_kills(
    seed: int, broker: Broker, topic_name: str, tmp_path: Path, record: Callable[..., None]
) -> None:
    plan = FaultPlan(seed, dict.fromkeys(FAULTS, 0.1))
    result = await watch(broker, topic_name, tmp_path, plan, kills=25, orders=600)
    found, expected = result.found(), result.expected()
    told = [body["fingerprint"] for body in result.webhooks]
    record(
        "all faults at once, the daemon killed at random moments",
        seed=seed,
        orders=600,
        kills=result.daemon.kills,
        faults=dict(Counter(line.fault for line in result.truth)),
        expected=len(expected),
        found=len(found),
        false=len(found - expected),
        missed=len(expected - found),
        retracted=sum(one["state"] == "retracted" for one in result.findings),
        webhooks=len(told),
        fingerprints=len(set(told)),
    )
    assert found == expected, result.daemon.tail()
    check_webhooks(result)
    await check_nothing_lost_nothing_twice(broker, topic_name, result.daemon)
