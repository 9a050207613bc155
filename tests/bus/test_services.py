"""Three groups read a topic of a real Kafka, and one lags: who runs the step, and its balance."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.groups import consuming

ORDERS = 100
AT_ONCE, WORK_S = 25, 0.75
"""Orders come in heaps, which takes payment longer than a minute altogether."""
LOST_EACH = 25
PATIENCE_S = 240.0
RULES = """\
version: 1
flow: order
begins: order.created
expectations:
  - {name: it is paid, after: order.created, expect: payment.authorized, within: 1s, grace: 0s}
"""


@dataclass
class Shop:
    """What it did, to be held against what is said of it."""

    bootstrap: str
    orders: str
    payments: str
    taken: list[str] = field(default_factory=list)
    paid: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, producer: AIOKafkaProducer, topic: str, name: str, flow: str) -> None:
        headers = [("type", name.encode()), ("correlation_id", flow.encode())]
        await producer.send_and_wait(topic, b"{}", key=flow.encode(), headers=headers)

    async def pays(self, group: str, producer: AIOKafkaProducer) -> None:
        """One order after the other; commits each, and now and then brings nothing out."""
        async with consuming(self.bootstrap, group, self.orders) as consumer:
            async for record in consumer:
                await asyncio.sleep(WORK_S)
                flow = (record.key or b"").decode()
                self.taken.append(flow)
                if len(self.taken) % LOST_EACH == 0:
                    self.lost.add(flow)
                else:
                    await self.publish(producer, self.payments, "payment.authorized", flow)
                    self.paid.add(flow)
                place = TopicPartition(record.topic, record.partition)
                await consumer.commit({place: record.offset + 1})

    async def looks_on(self, group: str) -> None:
        async with consuming(
            self.bootstrap, group, self.orders, enable_auto_commit=True,
            auto_commit_interval_ms=1_000,
        ) as consumer:  # fmt: skip
            async for _ in consumer:
                pass


@contextlib.asynccontextmanager
async def working(shop: Shop, prefix: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=shop.bootstrap) as producer:
        tasks = [
            asyncio.ensure_future(one)
            for one in (
                shop.pays(f"{prefix}.payment-svc", producer),
                shop.looks_on(f"{prefix}.audit-svc"),
                shop.looks_on(f"{prefix}.analytics-svc"),
            )
        ]
        try:
            yield producer
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(ended, asyncio.CancelledError), ended


def daemon(folder: Path, shop: Shop, prefix: str, hook: str) -> DaemonProcess:
    topics = f"""\
    topics:
      "{shop.orders}": {{names: [order.created]}}
      "{shop.payments}": {{names: [payment.authorized]}}
"""
    made = DaemonProcess(
        folder, shop.bootstrap, [shop.orders, shop.payments], RULES, hook, extra=topics
    )
    text = made.configuration.read_text()
    watched = f'consumers: {{every: 500ms, groups: ["{prefix}.*"]}}'
    made.configuration.write_text(text.replace("start: earliest", f"start: earliest, {watched}"))
    return made


async def asked(eyes: DaemonProcess, path: str, **given: Any) -> Any:
    return await asyncio.to_thread(eyes.ask, path, **given)


@pytest.mark.field
async def test_the_group_that_lags_is_learned_and_its_balance_is_what_it_did(
    broker: Broker, topic_name: str, create_topic: CreateTopic, tmp_path: Path
) -> None:
    shop = Shop(broker.bootstrap, f"{topic_name}-orders", f"{topic_name}-payments")
    payment = f"{topic_name}.payment-svc"
    await create_topic(shop.orders, partitions=2)
    await create_topic(shop.payments)
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_S
    with Receiver() as receiver, daemon(tmp_path, shop, topic_name, receiver.url) as eyes:
        await asked(eyes, "/api/status")
        async with working(shop, topic_name) as producer:
            for number in range(ORDERS):
                if number % AT_ONCE == 0:
                    while len(shop.taken) < number - 3:
                        assert loop.time() < end, len(shop.taken)
                        await asyncio.sleep(0.2)
                await shop.publish(producer, shop.orders, "order.created", f"{topic_name}-{number}")
            adding_up, page = 0, {}
            while True:
                assert loop.time() < end, (len(shop.taken), page, eyes.tail())
                page = await asked(eyes, "/api/services", since="1h")
                found = {one["service"]: one for one in page["items"]}
                for one in page["items"]:
                    adding_up += adds_up(one["balance"])
                said = found.get(payment)
                lost = said and said["balance"]["unaccounted"]
                if said and lost == ORDERS // LOST_EACH and said["confidence"] == "likely":
                    break
                await asyncio.sleep(1)
            assert adding_up > 10
            assert len(shop.paid) == ORDERS - len(shop.lost)
            assert found.keys() == {payment}, json.dumps(page, indent=1)
            assert said["balance"] == {
                "came": ORDERS, "consumed": ORDERS, "answered": len(shop.paid), "in_work": 0,
                "put_away": 0, "unaccounted": len(shop.lost), "waiting": 0, "unknown": 0,
            }  # fmt: skip
            (step,) = said["learned"]
            assert (step["consumes"], step["emits"]) == ("order.created", "payment.authorized")
            assert (step["against"], step["confused_with"]) == (0, [])
            flow = min(shop.lost)
            why = await asked(eyes, f"/api/flows/{flow}/why")
            assert (why["verdict"], why["confidence"]) == ("swallowed", "likely")
            assert f"{payment} makes payment.authorized of order.created is learned" in why["text"]


def adds_up(found: dict[str, int]) -> bool:
    assert found["came"] == found["consumed"] + found["waiting"] + found["unknown"]
    assert found["consumed"] == sum(
        found[word] for word in ("answered", "in_work", "put_away", "unaccounted")
    )
    return found["waiting"] > 0
