"""Looks at topics: a plain one with nothing but the Kafka client, and a tap's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from collector.batch import Batch, Gap, PartitionState
from collector.event import Event
from collector.sources.kafka import KafkaTap
from tests.bus.tally import TALLY

Record = ConsumerRecord[bytes, bytes]


async def read_all(bootstrap: str, topics: Iterable[str], partitions: int = 3) -> list[Record]:
    """Every committed record, from the beginning to the end as it is now, by its timestamp."""
    places = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        records: list[Record] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            batches = await consumer.getmany(timeout_ms=200)
            records += [record for batch in batches.values() for record in batch]
    finally:
        await consumer.stop()
    return sorted(records, key=lambda record: record.timestamp)


async def committed(bootstrap: str, group: str) -> dict[tuple[str, int], int]:
    """The group's offsets by topic and partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {(place.topic, place.partition): at.offset for place, at in offsets.items()}


async def members(bootstrap: str, group: str) -> int:
    """How many consumers are in the group."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    return len(answer.groups[0][-1])


def headers_of(record: Record) -> dict[str, str]:
    """As text; numbers that libraries write as bytes may not be any."""
    return {name: value.decode(errors="replace") for name, value in record.headers}


class TapReading:
    """A tap that is polled, and what came of it."""

    def __init__(self, tap: KafkaTap) -> None:
        self.tap = tap
        self.events: list[Event] = []
        self.gaps: list[Gap] = []
        self.states: dict[tuple[str, str, int], PartitionState] = {}

    async def poll(self) -> Batch:
        batch = await self.tap.poll()
        self.events += batch.events
        TALLY["events"] += len(batch.events)
        self.gaps += batch.gaps
        for state in batch.partitions:
            self.states[(state.topic, state.topic_id, state.partition)] = state
        return batch

    async def until(self, done: Callable[[], bool], patience: float = 30) -> None:
        deadline = time.monotonic() + patience
        while not done():
            assert time.monotonic() < deadline, (self.states, len(self.events))
            await self.poll()

    def offsets(self, partition: int = 0) -> list[int]:
        return [event.offset for event in self.events if event.partition == partition]

    def active(self) -> list[PartitionState]:
        return [state for state in self.states.values() if not state.retired]

    def state(self, topic: str, partition: int = 0) -> PartitionState:
        (found,) = [s for s in self.active() if (s.topic, s.partition) == (topic, partition)]
        return found

    def complete_after(self, moment: int) -> bool:
        """Everything that is read was seen beyond this moment."""
        return bool(self.active()) and all(s.complete_to > moment for s in self.active())
