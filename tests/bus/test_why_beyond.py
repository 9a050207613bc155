"""Why, where what was seen has an end: what retention took, a topic made anew, a group that went
back, and one that rebalances for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from demo.broker import Broker
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.groups import rebalancing_for_ever
from tests.bus.test_sight import eventually

pytestmark = pytest.mark.field

RULES = """\
version: 1
flow: order
begins: order.created
services:
  payment: {group: GROUP, consumes: order.created, emits: payment.authorized}
expectations:
  - {name: paid, after: order.created, expect: payment.authorized, within: 6s, grace: 1s}
"""


@dataclass
class Scene:
    """Orders and payments on topics of their own, and one group that only commits."""

    broker: Broker
    prefix: str
    daemon: DaemonProcess
    admin: AIOKafkaAdminClient
    group: AIOKafkaConsumer

    @property
    def orders(self) -> str:
        return f"{self.prefix}.orders"

    @property
    def payments(self) -> str:
        return f"{self.prefix}.payments"

    async def happens(self, topic: str, name: str, flow: str) -> int:
        """At which offset it was written."""
        producer = AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap)
        await producer.start()
        headers = [("type", name.encode()), ("correlation_id", flow.encode())]
        written = await producer.send_and_wait(topic, b"{}", partition=0, headers=headers)
        await producer.stop()
        return int(written.offset)

    async def order(self, flow: str) -> int:
        return await self.happens(self.orders, "order.created", flow)

    async def commit(self, offset: int) -> None:
        await self.group.commit({TopicPartition(self.orders, 0): offset})

    def why(self, flow: str, expectation: str = "paid") -> dict[str, Any]:
        """Nothing of a flow that is not stored yet."""
        path = f"{self.daemon.url}/api/flows/{flow}/why"
        answer = httpx.get(path, params={"expectation": expectation}, timeout=30)
        if answer.status_code == 404:
            return {}
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def verdict(self) -> str | None:
        items = self.daemon.ask("/api/consumers")["items"]
        ours = (one for one in items if (one["topic"], one["group"]) == (self.orders, self.prefix))
        return next((one["verdict"] for one in ours), None)

    async def until_why(self, flow: str, verdict: str, expectation: str = "paid") -> dict[str, Any]:
        """Asked until it is so: consumers are looked at now and then."""
        answers: list[dict[str, Any]] = []

        def is_so() -> bool:
            answers.append(self.why(flow, expectation))
            return bool(answers[-1].get("verdict") == verdict)

        try:
            await eventually(is_so, patience=60)
        except AssertionError as error:
            raise AssertionError(answers[-1:]) from error
        return answers[-1]


@pytest.fixture
async def scene(broker: Broker, topic_name: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(broker, topic_name, tmp_path) as found:
        yield found


@asynccontextmanager
async def a_scene(
    broker: Broker,
    prefix: str,
    folder: Path,
    rules: str = RULES,
    topics: Sequence[str] = ("orders", "payments"),
    names: str = "",
) -> AsyncIterator[Scene]:
    """`names`: what topics carry, as the configuration says it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    group = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, group_id=prefix, enable_auto_commit=False
    )
    await admin.start()
    await admin.create_topics([NewTopic(f"{prefix}.{name}", 1, 1) for name in topics])
    await group.start()
    group.assign([TopicPartition(f"{prefix}.orders", 0)])
    with Receiver() as receiver:
        daemon = DaemonProcess(
            folder, broker.bootstrap, f"{prefix}.*", rules.replace("GROUP", prefix), receiver.url,
            extra=names,
        )  # fmt: skip
        text = daemon.configuration.read_text()
        watched = f'start: earliest, consumers: {{every: 300ms, groups: ["{prefix}*"]}}'
        daemon.configuration.write_text(text.replace("start: earliest", watched))
        try:
            with daemon:
                await asyncio.to_thread(daemon.ask, "/api/status")
                yield Scene(broker, prefix, daemon, admin, group)
        finally:
            await group.stop()
            await admin.close()


async def test_what_retention_took_before_it_was_read_is_not_called_missing(scene: Scene) -> None:
    await scene.order("ord-1")
    await scene.commit(1)
    await eventually(lambda: bool(scene.why("ord-1").get("verdict")))
    scene.daemon.kill()
    await scene.happens(scene.payments, "payment.authorized", "ord-1")
    place = TopicPartition(scene.payments, 0)
    await scene.admin.delete_records({place: RecordsToDelete(before_offset=1)})
    scene.daemon.start()
    await eventually(lambda: _gap(scene))
    answer = await scene.until_why("ord-1", "unobserved")
    await eventually(lambda: f"{scene.payments}-0" in scene.why("ord-1")["text"])
    answer = scene.why("ord-1")
    assert (answer["verdict"], answer["confidence"]) == ("unobserved", "certain"), answer
    assert not [f for f in scene.daemon.findings() if f["state"] == "open"]


def _gap(scene: Scene) -> bool:
    parts = scene.daemon.ask("/api/status")["sources"][0]["partitions"]
    return any(one["topic"] == scene.payments and one["gaps"] for one in parts)


async def test_commits_to_a_topic_that_is_no_more_tell_nothing_of_the_new_one(
    scene: Scene,
) -> None:
    for number in range(3):
        await scene.order(f"old-{number}")
    await scene.commit(3)
    await scene.until_why("old-0", "swallowed")
    await scene.admin.delete_topics([scene.orders])
    while True:
        made = await scene.admin.create_topics([NewTopic(scene.orders, 1, 1)])
        if not made.to_object()["topic_errors"][0]["error_code"]:
            break
        await asyncio.sleep(0.2)
    # A broker that is busy writes into the old one for a moment.
    while await scene.order("new-0"):
        await asyncio.sleep(0.05)
    await eventually(lambda: bool(scene.why("new-0").get("verdict")), patience=60)
    await asyncio.sleep(10)  # all of its time, and more, in which nothing is to be claimed
    answer = scene.why("new-0")
    # With the topic its commits go, and with them the group, which has no members.
    assert answer["verdict"] in ("consumer_down", "in_queue", "unobserved"), answer
    assert answer["confidence"] != "certain" or answer["verdict"] == "unobserved", answer


async def test_a_group_that_went_back_had_read_what_it_had_read(scene: Scene) -> None:
    for number in range(4):
        await scene.order(f"ord-{number}")
    await scene.commit(1)
    await eventually(lambda: scene.verdict() is not None)
    await scene.commit(4)
    before = await scene.until_why("ord-3", "swallowed")
    await scene.commit(1)
    await eventually(lambda: scene.verdict() == "rewound")
    after = await scene.until_why("ord-3", "swallowed")
    passed = [
        next(one["passed_by"] for one in answer["evidence"] if one["kind"] == "consumer")
        for answer in (before, after)
    ]
    assert passed[0] == passed[1]


async def test_who_rebalances_for_ever_does_not_get_to_it(scene: Scene) -> None:
    await scene.order("ord-1")
    await scene.commit(1)
    await scene.until_why("ord-1", "swallowed")
    async with rebalancing_for_ever(scene.broker.bootstrap, scene.prefix):
        await scene.order("ord-2")
        answer = await scene.until_why("ord-2", "stalled")
    assert answer["confidence"] == "likely"
    assert "PreparingRebalance" in answer["text"], answer
