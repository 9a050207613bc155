"""Avro on a real bus: a registry that is away makes blind, and loses nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka import AIOKafkaProducer

from collector.batch import Gap, PartitionState
from collector.event import Event
from collector.settings import SourceSettings
from collector.sources.kafka import KafkaTap
from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.collector.codecs.registry_server import RegistryServer, head, registry_server, wire

ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "type", "type": "string"}, {"name": "correlation_id", "type": "string"}],
}
PATIENCE_S = 60


def clock() -> int:
    return time.time_ns() // 1000


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with registry_server() as server:
        server.add(1, ORDER)
        server.add(2, ORDER)
        yield server


@pytest.fixture
async def producer(broker: Broker) -> AsyncIterator[AIOKafkaProducer]:
    started = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await started.start()
    yield started
    await started.stop()


class Watched:
    """A tap, and everything that it has told."""

    def __init__(self, tap: KafkaTap) -> None:
        self.tap = tap
        self.events: list[Event] = []
        self.gaps: list[Gap] = []
        self.states: dict[int, PartitionState] = {}

    async def poll(self) -> None:
        batch = await self.tap.poll()
        self.events += batch.events
        self.gaps += batch.gaps
        self.states |= {state.partition: state for state in batch.partitions}

    async def until_read(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.events) < count:
            assert time.monotonic() < deadline, (self.states, self.events)
            await self.poll()

    def offsets(self, partition: int) -> list[int]:
        return [event.offset for event in self.events if event.partition == partition]


@pytest.fixture
async def watched(
    broker: Broker, topic_name: str, create_topic: CreateTopic, registry: RegistryServer
) -> AsyncIterator[Watched]:
    """A topic of two partitions."""
    await create_topic(partitions=2)
    described = {
        "name": "s",
        "kafka": {"bootstrap": broker.bootstrap, "topics": [topic_name], "start": "earliest"},
        "registry": {"url": registry.url},
    }
    tap = KafkaTap(SourceSettings.model_validate(described), [], clock)
    await tap.start()
    yield Watched(tap)
    await tap.stop()


def order(id: int, name: str) -> bytes:
    return wire(id, ORDER, {"type": name, "correlation_id": "c"})


async def test_a_partition_waits_for_a_schema_and_the_others_do_not(
    watched: Watched, producer: AIOKafkaProducer, registry: RegistryServer, topic_name: str
) -> None:
    await producer.send_and_wait(topic_name, order(1, "first"), partition=0)
    await watched.until_read(1)
    registry.stop()
    for value in (order(1, "second"), order(2, "waits"), order(1, "behind it")):
        await producer.send_and_wait(topic_name, value, partition=0)
    await producer.send_and_wait(topic_name, order(1, "elsewhere"), partition=1)
    await watched.until_read(3)
    asked, deadline = len(registry.asked), time.monotonic() + PATIENCE_S
    while watched.states[0].blocked_since is None:
        assert time.monotonic() < deadline
        await watched.poll()
    assert (watched.offsets(0), watched.offsets(1)) == ([0, 1], [0])
    assert watched.states[0].next_offset == 2
    assert watched.states[1].blocked_since is None
    held = watched.states[0].complete_to
    await producer.send_and_wait(topic_name, b'{"type":"goes on"}', partition=1)
    await watched.until_read(4)
    assert watched.states[0].complete_to == held < watched.states[1].complete_to
    assert len(registry.asked) == asked

    registry.start()
    await watched.until_read(6)
    await watched.poll()
    assert watched.offsets(0) == [0, 1, 2, 3]
    assert [e.name for e in watched.events if e.partition == 0][2:] == ["waits", "behind it"]
    assert watched.states[0].blocked_since is None
    assert watched.gaps == []


async def test_what_has_no_schema_is_stored_and_its_range_is_a_gap(
    watched: Watched, producer: AIOKafkaProducer, registry: RegistryServer, topic_name: str
) -> None:
    for value in (order(1, "first"), head(99) + b"x", head(1) + b"\xff", order(1, "last")):
        await producer.send_and_wait(topic_name, value, partition=0)
    await watched.until_read(4)
    assert [event.problems[:1] for event in watched.events] == [
        (), ("unknown-schema",), ("bad-avro",), (),
    ]  # fmt: skip
    (gap,) = watched.gaps
    assert (gap.partition, gap.from_offset, gap.reason) == (0, 1, "undecodable: unknown-schema")
    assert gap.from_time < watched.events[1].time < gap.to_time
