"""`python -m tests.bus.killed_consumer BOOTSTRAP GROUP TOPIC`: a member of a classic group that
commits what it reads, until it is killed."""

from __future__ import annotations

import asyncio
import sys

from aiokafka import AIOKafkaConsumer


async def main(bootstrap: str, group: str, topic: str) -> None:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=1_000,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_000,
    )
    await consumer.start()
    while True:
        await consumer.getmany(timeout_ms=200)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
