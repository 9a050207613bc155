"""The first catch-up on a real bus: the daemon says that it is behind, and when it is not.

However quick the machine: an open transaction holds the tap back until status was asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.test_sight import RULES, eventually

COUNT = 30_000


async def test_a_daemon_that_begins_far_behind_says_how_far_until_it_has_caught_up(
    broker: Broker, create_topic: CreateTopic, topic_name: str, tmp_path: Path
) -> None:
    topic = await create_topic()
    plain = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, linger_ms=5)
    holding = AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap,
        transactional_id=topic_name,
        transaction_timeout_ms=300_000,
    )
    noise: dict[str, Any] = {"headers": [("type", b"noise")], "partition": 0}
    async with plain, holding:
        for number in range(COUNT // 2):
            await plain.send(topic, b'{"n":%d}' % number, **noise)
        await plain.flush()
        await holding.begin_transaction()
        await holding.send_and_wait(topic, b"{}", **noise)
        for number in range(COUNT // 2, COUNT):
            await plain.send(topic, b'{"n":%d}' % number, **noise)
        await plain.flush()
        with (
            Receiver() as receiver,
            DaemonProcess(tmp_path, broker.bootstrap, topic, RULES, receiver.url) as daemon,
        ):

            def behind() -> list[int]:
                sources = daemon.ask("/api/status")["sources"]
                return [s["catching_up"]["behind"] for s in sources if s["catching_up"]]

            await eventually(lambda: behind() == [COUNT // 2 + 1])
            await holding.commit_transaction()
            await eventually(lambda: "has caught up" in daemon.log.read_text())
            assert behind() == []
            await eventually(lambda: daemon.ask("/api/status")["events"] == COUNT + 1)
            await asyncio.to_thread(daemon.stop)
            said = daemon.log.read_text()
    assert said.index("source shop catches up: ") < said.index("has caught up")
