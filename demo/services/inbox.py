"""A service's place in its consumer group: what it reads, and how far it has committed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from demo.services.event import Record

PAUSE = 0.5  # seconds between tries while the broker is away
POLL_MS = 500

log = logging.getLogger(__name__)


class Inbox:
    """Reads what is committed, at least once; committing is its owner's business."""

    def __init__(self, bootstrap: str, group: str, topics: Iterable[str]) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._topics = sorted(topics)
        self._unseen: dict[str, int] = {}
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> None:
        """Join the group."""
        self._consumer = AIOKafkaConsumer(
            *self._topics,
            bootstrap_servers=self._bootstrap,
            client_id=self._group,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await self._consumer.start()

    async def close(self) -> None:
        """Leave the group."""
        consumer, self._consumer = self._consumer, None
        if consumer:
            await consumer.stop()

    async def take(self, at_most: int) -> list[list[Record]]:
        """What has come, a list for each partition; empty when nothing does for a while."""
        assert self._consumer
        batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=at_most)
        return list(batches.values())

    def again(self, record: Record) -> None:
        """Read this record, and what follows it, once more in a while; it is not handled."""
        consumer, place = self._consumer, TopicPartition(record.topic, record.partition)
        assert consumer
        consumer.seek(place, record.offset)
        # Only its own partition waits for the next try.
        consumer.pause(place)

        def go_on() -> None:
            if self._consumer is consumer and place in consumer.assignment():
                consumer.resume(place)

        asyncio.get_running_loop().call_later(PAUSE, go_on)

    def look_away(self, topic: str) -> None:
        """Leave a topic unread until `look_back` was called as often."""
        self._unseen[topic] = self._unseen.get(topic, 0) + 1
        if self._consumer:
            self._consumer.pause(*self._assigned(topic))

    def look_back(self, topic: str) -> None:
        self._unseen[topic] -= 1
        if self._consumer and not self._unseen[topic]:
            self._consumer.resume(*self._assigned(topic))

    async def commit(self) -> None:
        """Commit what was taken; returns when it is, or when another member has taken over."""
        assert self._consumer
        while True:
            try:
                await self._consumer.commit()
                return
            except KafkaError as error:
                if not error.retriable:
                    # Another member has taken the partition: it reads the events again.
                    log.warning("%s: not committed: %s", self._group, error)
                    return
                log.warning("%s waits for the broker: %s", self._group, error)
                await asyncio.sleep(PAUSE)

    def _assigned(self, topic: str) -> list[TopicPartition]:
        assert self._consumer
        return [place for place in self._consumer.assignment() if place.topic == topic]
