"""Consumer groups of every kind, and a watch over them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.group import JoinGroupRequest

from collector.consumers.kafka_watch import KafkaWatch
from collector.consumers.observation import CommitRow, EndRow, GroupRow, Known, Place, WatchRow
from collector.settings import KafkaSettings, SourceSettings
from collector.store.tables import COMMITS, ENDS, GROUPS, WATCHES


class Watching:
    """A watch that is polled, and the rows that came of it."""

    def __init__(
        self,
        bootstrap: str,
        *groups: str,
        every: str = "200ms",
        known: Known | None = None,
        commits: str = "admin",
        **kafka: object,
    ) -> None:
        """`commits`: where they are seen; `kafka`: further settings of the source."""
        consumers = {"groups": list(groups) or ["*"], "every": every, "from": commits}
        found = {"bootstrap": bootstrap, "topics": ["*"], "consumers": consumers, **kafka}
        settings = SourceSettings(name="bus", kafka=KafkaSettings.model_validate(found))
        self.watch = KafkaWatch(settings, known or Known(), lambda: time.time_ns() // 1000)
        self.groups: list[GroupRow] = []
        self.commits: list[CommitRow] = []
        self.ends: list[EndRow] = []
        self.watches: list[WatchRow] = []

    async def __aenter__(self) -> Watching:
        await self.watch.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.watch.stop()

    async def poll(self) -> None:
        rows = (await self.watch.poll()).rows
        self.groups += rows.get(GROUPS.name, [])
        self.commits += rows.get(COMMITS.name, [])
        self.ends += rows.get(ENDS.name, [])
        self.watches += rows.get(WATCHES.name, [])

    async def until(self, done: Callable[[], bool], patience: float = 30) -> None:
        deadline = time.monotonic() + patience
        while not done():
            assert time.monotonic() < deadline, (self.groups[-5:], self.commits[-5:])
            await self.poll()

    def state(self, group: str) -> str | None:
        return next((row.state for row in reversed(self.groups) if row.group == group), None)

    def group(self, group: str) -> GroupRow:
        return next(row for row in reversed(self.groups) if row.group == group)

    def committed(self, group: str) -> dict[Place, int | None]:
        """How far it is by the newest rows."""
        return {
            Place(row.topic, row.partition): row.committed
            for row in self.commits
            if row.group == group
        }


@contextlib.asynccontextmanager
async def consuming(
    bootstrap: str, group: str, *topics: str, **options: object
) -> AsyncIterator[AIOKafkaConsumer]:
    """A member of a group of the classic kind, that begins with the oldest."""
    settings = {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "session_timeout_ms": 6_000,
        "heartbeat_interval_ms": 500,
        **options,
    }
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, group_id=group, **settings)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@contextlib.asynccontextmanager
async def rebalancing_for_ever(bootstrap: str, group: str) -> AsyncIterator[None]:
    """One member has joined and says no more; the group waits for it when another comes."""
    client, other = (AIOKafkaClient(bootstrap_servers=bootstrap) for _ in range(2))
    await client.bootstrap()
    await other.bootstrap()
    waiting: list[asyncio.Future[Any]] = []
    try:
        found: Any = await client.send(client.get_random_node(), FindCoordinatorRequest(group, 0))
        node = found.coordinator_id
        member: Any = await client.send(node, _join(group, ""))
        if member.error_code:  # told its ID, and to come again with it
            member = await client.send(node, _join(group, member.member_id))
        waiting.append(asyncio.ensure_future(client.send(node, _join(group, member.member_id))))
        second: Any = await other.send(node, _join(group, ""))
        waiting.append(asyncio.ensure_future(other.send(node, _join(group, second.member_id))))
        yield
    finally:
        for one in waiting:
            one.cancel()
        await other.close()
        await client.close()


def _join(group: str, member: str) -> JoinGroupRequest:
    return JoinGroupRequest(group, 30_000, 120_000, member, None, "consumer", [("range", b"")])


async def send(bootstrap: str, topic: str, count: int, partition: int = 0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for _ in range(count):
            await producer.send(topic, b"{}", partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
