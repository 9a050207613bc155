"""The first catch-up on a real bus: the daemon says that it is behind, and when it is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiokafka import AIOKafkaProducer

from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.test_sight import RULES, eventually

COUNT = 60_000


async def test_a_daemon_that_begins_far_behind_says_how_far_until_it_has_caught_up(
    broker: Broker, create_topic: CreateTopic, topic_name: str, tmp_path: Path
) -> None:
    topic = await create_topic()
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, linger_ms=5)
    await producer.start()
    for number in range(COUNT):
        await producer.send(topic, b'{"n":%d}' % number, headers=[("type", b"noise")])
    await producer.stop()
    told: list[dict[str, object]] = []
    with (
        Receiver() as receiver,
        DaemonProcess(tmp_path, broker.bootstrap, topic, RULES, receiver.url) as daemon,
    ):

        def has_read_all() -> bool:
            status = daemon.ask("/api/status")
            told.extend(s["catching_up"] for s in status["sources"] if s["catching_up"])
            return bool(status["events"] == COUNT)

        await eventually(has_read_all, patience=120)
        await eventually(lambda: "has caught up" in daemon.log.read_text())
        await asyncio.to_thread(daemon.stop)
        said = daemon.log.read_text()
    assert "source shop catches up: " in said
    assert said.index("catches up") < said.index("has caught up")
    assert told, "status shows it too"
    assert all(0 < int(str(one["behind"])) < COUNT for one in told)
