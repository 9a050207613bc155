"""A partition that nobody leads holds its own judgements back, and keeps nobody from reading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from collector.batch import PartitionState
from collector.settings import SourceSettings
from collector.sources import kafka
from collector.sources.kafka import KafkaTap
from collector.times import NEVER
from demo.broker import Broker
from tests.bus.reading import TapReading

HERE, THERE = 0, 1
"""Partitions on the first broker and on the second."""


def clock() -> int:
    return time.time_ns() // 1000


@pytest.fixture
def pair(broker: Broker, tmp_path: Path) -> Iterator[tuple[Broker, Broker]]:
    with Broker(tmp_path / "one") as one, Broker(tmp_path / "two", joins=one, node=2) as two:
        yield one, two


async def write(brokers: tuple[Broker, Broker], partition: int, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=brokers[0].bootstrap, enable_idempotence=True)
    await producer.start()
    for _ in range(count):
        await producer.send_and_wait("orders", b"{}", partition=partition)
    await producer.stop()


async def tapped(brokers: tuple[Broker, Broker], start: str, *known: PartitionState) -> TapReading:
    found = {"bootstrap": brokers[0].bootstrap, "topics": ["*"], "start": start}
    tap = KafkaTap(SourceSettings.model_validate({"name": "s", "kafka": found}), known, clock)
    await tap.start()
    return TapReading(tap)


async def test_a_partition_without_a_leader_is_waited_for_and_read_when_it_has_one(
    pair: tuple[Broker, Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "DISCOVER_EVERY", 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=pair[0].bootstrap)
    await admin.start()
    placed = {HERE: [1], THERE: [2]}
    answer = await admin.create_topics([NewTopic("orders", -1, -1, replica_assignments=placed)])
    assert answer.to_object()["topic_errors"][0]["error_code"] == 0
    await admin.close()
    await write(pair, HERE, 2)
    await write(pair, THERE, 2)
    await asyncio.to_thread(pair[1].kill)

    # At the very first start: what was never seen holds back too, and what is there is read.
    first = await tapped(pair, "earliest")
    now = clock()
    await first.until(lambda: len(first.events) == 2 and first.state("orders").complete_to > now)
    assert {event.partition for event in first.events} == {HERE}
    unseen = first.state("orders", THERE)
    assert unseen.blocked_since is not None
    assert unseen.complete_to == NEVER
    await first.tap.stop()

    # At a later start it is no news, and not taken for a partition that is gone.
    second = await tapped(pair, "earliest", *first.states.values())
    now = clock()
    await second.poll()
    await second.until(lambda: second.state("orders").complete_to > now)
    assert not second.state("orders", THERE).retired
    assert second.events == []
    await asyncio.to_thread(pair[1].start)
    await second.until(lambda: len(second.events) == 2, patience=60)
    assert second.offsets(THERE) == [0, 1]

    # And when it loses its leader while it is being read.
    pair[1].kill()
    await second.until(lambda: second.state("orders", THERE).blocked_since is not None)
    await write(pair, HERE, 1)
    await second.until(lambda: len(second.events) == 3)
    await asyncio.to_thread(pair[1].start)
    await write(pair, THERE, 1)
    await second.until(lambda: len(second.events) == 4, patience=60)
    now = clock()
    await second.until(lambda: second.complete_after(now))
    assert first.offsets(HERE) + second.offsets(HERE) == [0, 1, 2]
    assert second.offsets(THERE) == [0, 1, 2]
    assert second.gaps == []
    assert all(state.blocked_since is None for state in second.active())
    await second.tap.stop()
