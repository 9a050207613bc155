"""The machine's clock is set, hours ahead and back, while the daemon runs: what holds then."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from collector.times import US_PER_S, parse_time
from demo.broker import Broker
from tests.bus.clock import Clock
from tests.bus.conftest import CreateTopic
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.test_sight import NAMES, RULES, eventually, findings_of, partition, send

HOURS = 3 * 3600.0
MINUTE = 60.0
A_SECOND = US_PER_S
"""So much a clock may be set back before sight follows it."""


@pytest.fixture
async def producer(broker: Broker) -> AsyncIterator[AIOKafkaProducer]:
    """Its clock is the true one, as that of the broker."""
    started = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await started.start()
    yield started
    await started.stop()


def complete_to(daemon: DaemonProcess, topic: str) -> int | None:
    return parse_time(str(partition(daemon, topic)["complete_to"] or ""))


def sees_now(daemon: DaemonProcess, clock: Clock, *topics: str) -> bool:
    """By its own clock: nothing beyond now, and nothing but the last seconds open."""
    moments = [complete_to(daemon, topic) for topic in topics]
    now = clock.now()
    return all(m is not None and now - 5 * US_PER_S < m <= now + A_SECOND for m in moments)


def texts(daemon: DaemonProcess, flow: str) -> list[str]:
    return [one["state"] for one in daemon.ask("/api/findings", flow=flow)["items"]]


async def test_a_clock_that_ran_ahead_and_is_set_back_leaves_no_false_alarm_behind(
    broker: Broker, topic_name: str, create_topic: CreateTopic, clock: Clock, tmp_path: Path,
    producer: AIOKafkaProducer,
) -> None:  # fmt: skip
    orders = await create_topic(f"{topic_name}.orders")
    payments = await create_topic(f"{topic_name}.payments")
    with (
        Receiver() as receiver,
        DaemonProcess(
            tmp_path, broker.bootstrap, f"{topic_name}.*", RULES, receiver.url, NAMES,
            environment=clock.environment(),
        ) as daemon,
    ):  # fmt: skip
        await eventually(lambda: sees_now(daemon, clock, orders, payments))
        clock.set(HOURS)
        await eventually(lambda: sees_now(daemon, clock, orders, payments))
        at_ms = time.time_ns() // 1_000_000
        # By that clock its time was over when it came: it is called missing, and taken back.
        await send(producer, orders, "order.created", "paid-while-ahead", at_ms=at_ms)
        await eventually(lambda: texts(daemon, "paid-while-ahead") == ["open"])
        await send(producer, payments, "payment.authorized", "paid-while-ahead", at_ms=at_ms + 1)
        await eventually(lambda: texts(daemon, "paid-while-ahead") == ["retracted"])
        await send(producer, orders, "order.created", "under-way", at_ms=at_ms)
        await eventually(lambda: texts(daemon, "under-way") == ["open"])
        clock.set(0)
        await eventually(lambda: sees_now(daemon, clock, orders, payments))
        # What was called missing too early stands until its event comes.
        assert texts(daemon, "under-way") == ["open"]
        await send(producer, payments, "payment.authorized", "under-way", at_ms=at_ms + 1)
        await eventually(lambda: texts(daemon, "under-way") == ["retracted"])
        # From here on nothing is called missing too early.
        before = time.time_ns() // 1000
        await send(producer, orders, "order.created", "paid")
        await send(producer, orders, "order.created", "never-paid")
        await send(producer, payments, "payment.authorized", "paid")
        await eventually(lambda: findings_of(daemon, "never-paid") == [("missing", "open")])
        assert time.time_ns() // 1000 - before > 2 * US_PER_S, "not before its deadline"
        assert findings_of(daemon, "paid") == []
        assert findings_of(daemon, "under-way") == [("missing", "retracted")]
        # And what is new on the bus is found, as if nothing had been.
        late = await create_topic(f"{topic_name}.late")
        await eventually(lambda: sees_now(daemon, clock, orders, payments, late))
        assert "the clock was set back" in daemon.log.read_text()


async def test_a_clock_that_was_set_back_while_the_daemon_was_down_is_followed(
    broker: Broker, topic_name: str, create_topic: CreateTopic, clock: Clock, tmp_path: Path,
    producer: AIOKafkaProducer,
) -> None:  # fmt: skip
    orders = await create_topic(f"{topic_name}.orders")
    payments = await create_topic(f"{topic_name}.payments")
    clock.set(HOURS)
    with (
        Receiver() as receiver,
        DaemonProcess(
            tmp_path, broker.bootstrap, f"{topic_name}.*", RULES, receiver.url, NAMES,
            environment=clock.environment(),
        ) as daemon,
    ):  # fmt: skip
        await eventually(lambda: sees_now(daemon, clock, orders, payments))
        daemon.kill()
        clock.set(0)
        await send(producer, orders, "order.created", "paid")
        await send(producer, payments, "payment.authorized", "paid")
        daemon.start()
        await eventually(lambda: sees_now(daemon, clock, orders, payments))
        # Its deadline is soon: sent before, it might be over when a slow machine has started.
        await send(producer, orders, "order.created", "never-paid")
        await eventually(lambda: findings_of(daemon, "never-paid") == [("missing", "open")])
        assert findings_of(daemon, "paid") == []
        # It began while the clock was ahead; what happens now is no history all the same.
        await eventually(lambda: receiver.taken)
        assert {one["flow"] for one in receiver.findings()} == {"never-paid"}


async def test_a_clock_that_falls_behind_holds_judgements_and_nothing_else(
    broker: Broker, topic_name: str, create_topic: CreateTopic, clock: Clock, tmp_path: Path,
    producer: AIOKafkaProducer,
) -> None:  # fmt: skip
    orders = await create_topic(f"{topic_name}.orders")
    payments = await create_topic(f"{topic_name}.payments")
    with (
        Receiver() as receiver,
        DaemonProcess(
            tmp_path, broker.bootstrap, f"{topic_name}.*", RULES, receiver.url, NAMES,
            environment=clock.environment(),
        ) as daemon,
    ):  # fmt: skip
        await eventually(lambda: sees_now(daemon, clock, orders, payments))
        clock.set(-HOURS)
        await eventually(lambda: sees_now(daemon, clock, orders, payments))
        await send(producer, orders, "order.created", "never-paid")
        await send(producer, orders, "order.created", "paid")
        await send(producer, payments, "payment.authorized", "paid")
        late = await create_topic(f"{topic_name}.late")
        await eventually(lambda: sees_now(daemon, clock, orders, payments, late))
        await eventually(lambda: daemon.ask("/api/status")["events"] == 3)
        assert daemon.findings() == []
        clock.set(0)
        await eventually(lambda: findings_of(daemon, "never-paid") == [("missing", "open")])
        assert findings_of(daemon, "paid") == []
        assert partition(daemon, payments)["blocked_since"] is None


async def test_retention_deletes_nothing_because_the_clock_runs_ahead_for_a_while(
    broker: Broker, topic_name: str, create_topic: CreateTopic, clock: Clock, tmp_path: Path,
    producer: AIOKafkaProducer,
) -> None:  # fmt: skip
    orders = await create_topic(f"{topic_name}.orders")
    with (
        Receiver() as receiver,
        DaemonProcess(
            tmp_path, broker.bootstrap, f"{topic_name}.*", RULES, receiver.url, NAMES,
            environment=clock.environment(), retention="2m",
        ) as daemon,
    ):  # fmt: skip
        await send(producer, orders, "of-no-rule", "over")
        await eventually(lambda: daemon.ask("/api/status")["events"] == 1)

        def noticed(times: int) -> bool:
            return daemon.log.read_text().count("the clock was set, and is ") == times

        # Each look begins with the clock: when one is noticed, the look before it is over.
        for number, ahead in enumerate((2 * MINUTE, 0, HOURS, 0), 1):
            clock.set(ahead)
            await eventually(partial(noticed, number))
        assert daemon.ask("/api/status")["events"] == 1
