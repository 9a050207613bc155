"""Transactions: what is aborted is never an event, and what is hidden by an open one is told."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import AIOKafkaProducer

from collector.settings import SourceSettings
from collector.sources.kafka import KafkaTap
from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.bus.reading import TapReading

PARTITIONS = 12


def clock() -> int:
    return time.time_ns() // 1000


Tapped = Callable[[str], Awaitable[TapReading]]


@pytest.fixture
async def tapped(broker: Broker) -> AsyncIterator[Tapped]:
    taps = []

    async def start(topic: str) -> TapReading:
        found = {"bootstrap": broker.bootstrap, "topics": [topic], "start": "earliest"}
        tap = KafkaTap(SourceSettings.model_validate({"name": "s", "kafka": found}), (), clock)
        await tap.start()
        taps.append(tap)
        return TapReading(tap)

    yield start
    for tap in taps:
        await tap.stop()


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_of_many_transactions_in_many_partitions_only_the_committed_are_events(
    compression: str | None,
    broker: Broker,
    tapped: Tapped,
    create_topic: CreateTopic,
    topic_name: str,
) -> None:
    topic = await create_topic(partitions=PARTITIONS)
    chance = random.Random(compression)
    producers = [
        AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap,
            transactional_id=f"{topic_name}-{number}",
            compression_type=compression,
        )
        for number in range(3)
    ]
    for producer in producers:
        await producer.start()
    committed: set[tuple[int, int]] = set()
    aborted: set[tuple[int, int]] = set()
    # Three transactions are open at a time, so that they lie across each other.
    for _ in range(8):
        sent = []
        for producer in producers:
            await producer.begin_transaction()
            sent.append([
                await producer.send_and_wait(
                    topic, b'{"n": 1}', partition=chance.randrange(PARTITIONS)
                )
                for _ in range(6)
            ])  # fmt: skip
        for producer, records in zip(producers, sent, strict=True):
            places = {(record.partition, record.offset) for record in records}
            if chance.random() < 0.5:
                await producer.abort_transaction()
                aborted |= places
            else:
                await producer.commit_transaction()
                committed |= places
    for producer in producers:
        await producer.stop()
    assert aborted
    reading = await tapped(topic)
    now = clock()
    await reading.until(lambda: len(reading.active()) == PARTITIONS and reading.complete_after(now))
    found = [(event.partition, event.offset) for event in reading.events]
    assert sorted(found) == sorted(committed)
    assert reading.gaps == [], "what a marker or an aborted record leaves is no loss"


async def test_the_range_that_an_open_transaction_hides_is_told_until_it_ends(
    broker: Broker, tapped: Tapped, create_topic: CreateTopic, topic_name: str
) -> None:
    topic = await create_topic(partitions=2)
    plain = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    hanging = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic_name)
    for producer in (plain, hanging):
        await producer.start()
    await plain.send_and_wait(topic, b"{}", partition=0)
    reading = await tapped(topic)
    await reading.until(lambda: len(reading.events) == 1)
    before = clock()
    await hanging.begin_transaction()
    await hanging.send_and_wait(topic, b"{}", partition=0)
    for _ in range(2):
        await plain.send_and_wait(topic, b"{}", partition=0)
    await reading.until(lambda: reading.state(topic).high_watermark == 4)
    state = reading.state(topic)
    assert (state.last_stable_offset, state.next_offset) == (1, 1)
    assert state.hidden_since is not None
    assert before <= state.hidden_since <= clock()
    since = state.hidden_since
    now = clock()
    await reading.until(lambda: reading.state(topic, 1).complete_to > now)
    assert reading.state(topic).hidden_since == since, "since the same transaction began"
    assert reading.state(topic).complete_to <= now
    assert reading.state(topic, 1).hidden_since is None
    await hanging.abort_transaction()
    await reading.until(lambda: len(reading.events) == 3)
    now = clock()
    await reading.until(lambda: reading.complete_after(now))
    assert reading.state(topic).hidden_since is None
    assert sorted(reading.offsets()) == [0, 2, 3]
    for producer in (plain, hanging):
        await producer.stop()
