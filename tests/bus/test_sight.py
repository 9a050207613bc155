"""Absence is judged only where sight is complete: hidden and blocked partitions hold it back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from collector.times import US_PER_S, format_time, parse_time
from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.bus.daemon_process import DaemonProcess, Receiver

RULES = """\
version: 1
flow: order
begins: order.created
grace: 1s
skew: 0s
expectations:
  - {name: paid, after: order.created, expect: payment.authorized, within: 2s}
"""

NAMES = """\
    topics:
      "*.orders": {names: [order.created]}
      "*.payments": {names: [payment.authorized]}
"""


async def send(
    producer: AIOKafkaProducer, topic: str, name: str, flow: str, partition: int = 0,
    at_ms: int | None = None,
) -> None:  # fmt: skip
    now_ms = at_ms or time.time_ns() // 1_000_000
    await producer.send_and_wait(
        topic,
        json.dumps({"occurred_at": now_ms}).encode(),
        headers=[("type", name.encode()), ("correlation_id", flow.encode())],
        partition=partition,
    )


async def eventually(what: Callable[[], Any], patience: float = 40) -> Any:
    """What becomes true, asked again and again beside the loop."""
    deadline = time.monotonic() + patience
    while True:
        found = await asyncio.to_thread(what)
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.1)


def findings_of(daemon: DaemonProcess, flow: str) -> list[tuple[str, str]]:
    found = daemon.ask("/api/findings", flow=flow)["items"]
    return [(one["finding"], one["state"]) for one in found]


def partition(daemon: DaemonProcess, topic: str, number: int = 0) -> dict[str, Any]:
    """What `status` says of a partition; nothing known while the daemon has not found it."""
    for source in daemon.ask("/api/status")["sources"]:
        for one in source["partitions"]:
            if one["topic"] == topic and one["partition"] == number:
                return dict(one)
    return {"complete_to": None, "blocked_since": None}


def awaited_from(daemon: DaemonProcess, flow: str) -> str | None:
    """The deadline of the flow's instance, once it is known."""
    for one in daemon.ask("/api/flows", q=flow)["items"]:
        detail = daemon.ask(f"/api/flows/{one['flow']}")
        return str(detail["instances"][0]["deadline"])
    return None


async def test_an_open_transaction_that_hides_the_awaited_event_raises_no_false_alarm(
    broker: Broker, topic_name: str, create_topic: CreateTopic, tmp_path: Path
) -> None:
    orders = await create_topic(f"{topic_name}.orders")
    payments = await create_topic(f"{topic_name}.payments")
    plain = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    hanging = AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap, transactional_id=f"{topic_name}-hangs"
    )
    await plain.start()
    await hanging.start()
    with (
        Receiver() as receiver,
        DaemonProcess(
            tmp_path, broker.bootstrap, f"{topic_name}.*", RULES, receiver.url, NAMES
        ) as daemon,
    ):
        await eventually(lambda: partition(daemon, payments)["complete_to"])
        await hanging.begin_transaction()
        await send(hanging, payments, "payment.authorized", "somebody-else")
        # Committed as such, and hidden all the same: it lies behind the open transaction.
        await send(plain, orders, "order.created", "paid-in-time")
        await send(plain, payments, "payment.authorized", "paid-in-time")
        deadline = await eventually(lambda: awaited_from(daemon, "paid-in-time"))
        # The orders' partition is seen far beyond the deadline; the payments' is not.
        await eventually(lambda: partition(daemon, orders)["complete_to"] > later(deadline, 3))
        assert partition(daemon, payments)["complete_to"] < deadline
        assert daemon.ask("/api/status")["held"] >= 1
        assert findings_of(daemon, "paid-in-time") == []
        await hanging.commit_transaction()
        await eventually(lambda: partition(daemon, payments)["complete_to"] > later(deadline, 3))
        assert findings_of(daemon, "paid-in-time") == []
        assert daemon.ask("/api/flows/paid-in-time")["instances"][0]["state"] == "met"
        # And it is no blindness for ever: what is missing now is missed.
        await send(plain, orders, "order.created", "never-paid")
        await eventually(lambda: findings_of(daemon, "never-paid") == [("missing", "open")])
        assert {one["flow"] for one in receiver.findings()} <= {"never-paid"}
    await plain.stop()
    await hanging.stop()


def later(moment: str, seconds: int) -> str:
    """RFC 3339 in UTC, some seconds on; comparable as text."""
    us = parse_time(moment)
    assert us is not None
    return format_time(us + seconds * US_PER_S)


@pytest.mark.long
async def test_a_partition_that_cannot_be_read_holds_its_judgements_back_and_no_others(
    broker: Broker, topic_name: str, create_topic: CreateTopic, tmp_path: Path
) -> None:
    orders = await create_topic(f"{topic_name}.orders")
    payments = await create_topic(f"{topic_name}.payments")
    await create_topic(f"{topic_name}.shipments")
    rules = RULES + "  - {name: shipped, after: order.created, expect: shipped, within: 2s}\n"
    names = NAMES + '      "*.shipments": {names: [shipped]}\n'
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    with (
        Receiver() as receiver,
        DaemonProcess(
            tmp_path, broker.bootstrap, f"{topic_name}.*", rules, receiver.url, names,
            itself="{blind: 1s}",
        ) as daemon,
    ):  # fmt: skip
        await eventually(lambda: partition(daemon, payments)["complete_to"])
        # A spoilt byte in the broker's own log: the records behind it cannot be read.
        daemon.kill()
        await send(producer, orders, "order.created", "held")
        await send(producer, payments, "payment.authorized", "held")
        log = broker.folder / "data" / f"{payments}-0" / "00000000000000000000.log"
        sound = log.read_bytes()
        log.write_bytes(spoilt(sound))
        daemon.start()
        await eventually(lambda: partition(daemon, payments)["blocked_since"])
        await eventually(lambda: ("missing", "open") in findings_of(daemon, "held"))
        told = daemon.ask("/api/findings", flow="held")["items"]
        assert [one["expectation"] for one in told] == ["shipped"], "the payment is held back"
        assert daemon.ask("/api/status")["held"] >= 1
        (blind,) = await eventually(lambda: told_of_itself(receiver))
        assert (blind["expectation"], blind["status"], blind["count"]) == ("tap blind", "firing", 1)
        assert blind["text"].startswith(f"blind on {payments}-0 of shop since ")
        (alert,) = daemon.ask("/api/alerts", expectation="tap blind")["items"]
        assert alert["state"] == "firing"
        log.write_bytes(sound)
        await eventually(lambda: partition(daemon, payments)["blocked_since"] is None)
        states = {
            one["expectation"]: one["state"] for one in daemon.ask("/api/flows/held")["instances"]
        }
        assert states == {"paid": "met", "shipped": "missing"}
        await eventually(lambda: len(told_of_itself(receiver)) == 2)
        assert told_of_itself(receiver)[1]["status"] == "resolved"
        found = [one for one in receiver.findings() if one["type"] != "nonevent"]
        assert [one["expectation"] for one in found] == ["shipped"]
    await producer.stop()


def told_of_itself(receiver: Receiver) -> list[dict[str, Any]]:
    return [body for body in receiver.taken if body["type"] == "nonevent"]


def spoilt(log: bytes) -> bytes:
    """The log with its last byte turned: the checksum of its batch no longer fits."""
    return log[:-1] + bytes([log[-1] ^ 0xFF])
