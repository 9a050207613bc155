"""Rules that change while a bus is read: nothing is lost or twice, and the last ones count."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import duckdb
from aiokafka import AIOKafkaProducer

from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.reading import read_all
from tests.bus.test_sight import eventually

RULES = """\
version: 1
flow: order
begins: order.created
ends: order.paid
expectations:
  - {{name: paid, after: order.created, expect: order.paid, within: {within}}}
  - {{name: a price, once: order.created, where: event.payload.{field} > 0}}
"""
FLOWS = 1_500
CHANGES = 4


async def test_changes_of_rules_while_events_come_lose_nothing_and_the_last_rules_count(
    broker: Broker, create_topic: CreateTopic, tmp_path: Path
) -> None:
    topic = await create_topic()
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, linger_ms=5)
    await producer.start()

    async def send(name: str, flow: int) -> None:
        body = json.dumps({"one": flow % 2, "other": flow % 3}).encode()
        headers = [("type", name.encode()), ("correlation_id", b"f-%d" % flow)]
        await producer.send(topic, body, headers=headers)

    unpaid = {f"f-{flow}" for flow in range(FLOWS) if flow % 50 == 7}
    without = {f"f-{flow}" for flow in range(FLOWS) if not flow % 3}
    with (
        Receiver() as receiver,
        DaemonProcess(
            tmp_path, broker.bootstrap, topic, RULES.format(within="1h", field="one"), receiver.url
        ) as daemon,
    ):
        daemon.ask("/api/status")
        for flow in range(FLOWS):
            await send("order.created", flow)
            if f"f-{flow}" not in unpaid:
                await send("order.paid", flow)
            if flow % (FLOWS // CHANGES) == FLOWS // CHANGES - 1:
                last = flow == FLOWS - 1
                rules = RULES.format(
                    within="1s" if last else f"{flow + 1}m", field="other" if last else "one"
                )
                before = daemon.log.read_text().count("the rules have changed")
                (tmp_path / "rules-0.yaml").write_text(rules)
                await eventually(
                    lambda seen=before: (
                        daemon.log.read_text().count("the rules have changed") > seen
                    )
                )
        await producer.stop()

        def right() -> bool:
            found = [f for f in daemon.findings() if f["state"] != "retracted"]
            missing = {f["flow"] for f in found if f["expectation"] == "paid"}
            return missing == unpaid

        await eventually(right, patience=60)
        await asyncio.to_thread(daemon.stop)
    records = await read_all(broker.bootstrap, [topic], partitions=1)
    with duckdb.connect(str(daemon.store), read_only=True) as store:
        stored = store.execute('SELECT "partition", "offset" FROM events').fetchall()
        priceless = store.execute(
            "SELECT DISTINCT correlation_id FROM findings "
            "WHERE expectation = 'a price' AND finding = 'missing' AND state <> 'retracted'"
        ).fetchall()
    assert sorted(stored) == sorted((r.partition, r.offset) for r in records)
    # Once is told at the flow's end: the flows that ended, by the last rules' field.
    assert {flow for (flow,) in priceless} == without - unpaid
