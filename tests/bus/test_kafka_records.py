"""What the tap takes from the client, beside what anyone's consumer reads of the same topic."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError

from collector.record import Record
from collector.settings import SourceSettings
from collector.sources import kafka_consumer
from collector.sources.kafka_consumer import Consumer
from demo.broker import Broker
from tests.bus.conftest import CreateTopic

PARTITIONS = 4
CODECS = (None, "gzip", "snappy", "lz4", "zstd")

Opened = Callable[[str, int], Awaitable[Consumer]]


@pytest.fixture
async def opened(broker: Broker) -> AsyncIterator[Opened]:
    """`await opened(topic, offset)` reads all of its partitions from there."""
    opened = []

    async def open(topic: str, offset: int) -> Consumer:
        found = {"bootstrap": broker.bootstrap, "topics": [topic]}
        settings = SourceSettings.model_validate({"name": "s", "kafka": found})
        assert settings.kafka is not None
        consumer = Consumer("s", settings.kafka, {}, lambda: time.time_ns() // 1000)
        opened.append(consumer)
        await consumer.open()
        await consumer.client.set_topics([topic])
        consumer.assign({TopicPartition(topic, n): offset for n in range(PARTITIONS)}, {})
        return consumer

    yield open
    for consumer in opened:
        await consumer.close()


async def fill(broker: Broker, topic: str, name: str) -> None:
    """Records of every codec and of batches of every size, a third of them aborted."""
    chance = random.Random(name)
    for codec in CODECS:
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap,
            compression_type=codec,
            transactional_id=f"{name}-{codec}",
            linger_ms=5,
        )
        await producer.start()
        for _ in range(9):
            await producer.begin_transaction()
            for _ in range(chance.choice((1, 5, 60))):
                value = None if chance.random() < 0.1 else chance.randbytes(chance.randrange(200))
                keyed = value is None or chance.random() < 0.7
                await producer.send(
                    topic, value, partition=chance.randrange(PARTITIONS),
                    key=chance.randbytes(3) if keyed else None,
                    headers=[("n", chance.randbytes(2))] * chance.randrange(3),
                )  # fmt: skip
            if chance.random() < 0.3:
                await producer.abort_transaction()
            else:
                await producer.commit_transaction()
        await producer.stop()


def plain(record: Record) -> tuple[Any, ...]:
    headers = tuple(record.headers)
    return record.offset, record.timestamp, record.key, record.value, headers


Found = dict[TopicPartition, list[tuple[Any, ...]]]


async def usual(broker: Broker, topic: str, offset: int) -> tuple[Found, dict[TopicPartition, int]]:
    """What a plain consumer reads, and up to where."""
    tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, isolation_level="read_committed"
    )
    await consumer.start()
    found: Found = {tp: [] for tp in tps}
    try:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        for tp in tps:
            consumer.seek(tp, offset)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found[tp] += map(plain, records)
    finally:
        await consumer.stop()
    return below(found, ends), ends


def below(found: Found, ends: dict[TopicPartition, int]) -> Found:
    """The marker of the last transaction may come after the ends were asked for, and with it more
    records."""
    return {tp: [one for one in some if one[0] < ends[tp]] for tp, some in found.items()}


@pytest.mark.parametrize(("offset", "most"), [(0, 20_000), (0, 7), (17, 20_000)])
async def test_it_takes_what_a_plain_consumer_reads(
    offset: int,
    most: int,
    broker: Broker,
    opened: Opened,
    create_topic: CreateTopic,
    topic_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kafka_consumer, "MAX_RECORDS", most)
    topic = await create_topic(partitions=PARTITIONS)
    await fill(broker, topic, topic_name)
    expected, ends = await usual(broker, topic, offset)
    assert all(expected.values())
    consumer = await opened(topic, offset)
    found: Found = {tp: [] for tp in expected}
    largest = 0
    while any(consumer.position(tp) < ends[tp] for tp in found):
        before = {tp: consumer.position(tp) for tp in found}
        fetched = await consumer.records()
        largest = max(largest, sum(map(len, fetched.values())))
        for tp, records in fetched.items():
            assert records, "what has nothing to give is not named"
            assert records[0].offset >= before[tp]
            assert records[-1].offset < consumer.position(tp)
            found[tp] += map(plain, records)
    assert below(found, ends) == expected
    if most == 7:
        assert largest <= most + 60, "a batch more than wanted, and no further one"


async def test_of_some_partitions_it_takes_no_others(
    broker: Broker, opened: Opened, create_topic: CreateTopic, topic_name: str
) -> None:
    topic = await create_topic(partitions=PARTITIONS)
    await fill(broker, topic, topic_name)
    expected, ends = await usual(broker, topic, 0)
    consumer = await opened(topic, 0)
    some = [TopicPartition(topic, 1), TopicPartition(topic, 2)]
    found: Found = {tp: [] for tp in expected}
    for wanted in (some, ()):
        while any(consumer.position(tp) < ends[tp] for tp in wanted or found):
            for tp, records in (await consumer.records(wanted)).items():
                assert not wanted or tp in wanted
                found[tp] += map(plain, records)
    # What was fetched of the others is still there for who asks.
    assert below(found, ends) == expected


async def test_what_is_spoilt_is_an_error_and_can_be_asked_for_again(
    broker: Broker, opened: Opened, create_topic: CreateTopic, topic_name: str
) -> None:
    topic = await create_topic(partitions=PARTITIONS)
    await fill(broker, topic, topic_name)
    expected, ends = await usual(broker, topic, 0)
    consumer = await opened(topic, 0)
    spoilt = []
    answered = consumer.fetches.answered

    def spoil(sent: int, topics: Any) -> Any:
        """The first answers have a bit turned over, in the last byte of each."""
        if len(spoilt) < 2:
            spoilt.append(topics)
            topics = [
                (topic, [(*one[:-1], one[-1][:-1] + bytes([one[-1][-1] ^ 1])) for one in some])
                for topic, some in topics
                if all(one[-1] for one in some)
            ]
        return answered(sent, topics)

    consumer.fetches.answered = spoil  # type: ignore[method-assign]
    found: Found = {tp: [] for tp in expected}
    errors: list[KafkaError] = []
    while any(len(found[tp]) < len(expected[tp]) for tp in found):
        try:
            fetched = await consumer.records()
        except KafkaError as error:
            errors.append(error)
            # As the tap does: on with what was really taken.
            consumer.seek({tp: found[tp][-1][0] + 1 if found[tp] else 0 for tp in found})
            continue
        for tp, records in fetched.items():
            found[tp] += map(plain, records)
    assert below(found, ends) == expected
    assert {type(error) for error in errors} == {CorruptRecordException}
    assert spoilt
