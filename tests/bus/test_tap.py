"""The Kafka tap against a real broker that changes under it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.structs import TopicPartition

from collector.batch import PartitionState
from collector.errors import SourceError
from collector.settings import SourceSettings
from collector.sources import kafka
from collector.sources.kafka import KafkaTap
from collector.times import NEVER, US_PER_S
from demo.broker import Broker, free_port
from tests.bus.conftest import CreateTopic
from tests.bus.reading import TapReading


def clock() -> int:
    return time.time_ns() // 1000


def settings(broker: Broker, topics: str, **changes: object) -> SourceSettings:
    found = {"bootstrap": broker.bootstrap, "topics": [topics], "start": "earliest", **changes}
    return SourceSettings.model_validate({"name": "s", "kafka": found, "name_from": ["topic"]})


Tapped = Callable[..., Awaitable[TapReading]]


@pytest.fixture
async def tapped(
    broker: Broker, topic_name: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Tapped]:
    """`await tapped()` starts a tap on this test's topics; it finds what is new at once."""
    monkeypatch.setattr(kafka, "DISCOVER_EVERY", 0)
    taps = []

    async def start(*known: PartitionState, **changes: object) -> TapReading:
        tap = KafkaTap(settings(broker, f"{topic_name}*", **changes), known, clock)
        await tap.start()
        taps.append(tap)
        return TapReading(tap)

    yield start
    for tap in taps:
        await tap.stop()


@pytest.fixture
async def producer(broker: Broker) -> AsyncIterator[AIOKafkaProducer]:
    started = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def admin(broker: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    started = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await started.start()
    yield started
    await started.close()


async def fill(producer: AIOKafkaProducer, topic: str, count: int, partition: int = 0) -> None:
    for number in range(count):
        await producer.send_and_wait(topic, b"{}", partition=partition, key=b"%d" % number)


async def fill_anew(producer: AIOKafkaProducer, topic: str, count: int) -> None:
    """A topic that was just made anew: a broker that is busy writes into the old one for a moment,
    and what it took there is gone with it."""
    while (await producer.send_and_wait(topic, b"{}", partition=0, key=b"0")).offset:
        await asyncio.sleep(0.05)
    await fill(producer, topic, count - 1)


async def test_it_goes_on_where_the_store_says(
    tapped: Tapped, create_topic: CreateTopic, producer: AIOKafkaProducer
) -> None:
    topic = await create_topic()
    await fill(producer, topic, 3)
    first = await tapped()
    await first.until(lambda: len(first.events) == 3)
    (state,) = first.active()
    await fill(producer, topic, 2)
    second = await tapped(state)
    await second.until(lambda: len(second.events) == 2)
    assert second.offsets() == [3, 4]
    assert not second.gaps


async def test_an_idle_partition_that_is_read_to_its_end_moves_with_the_clock(
    tapped: Tapped, create_topic: CreateTopic
) -> None:
    await create_topic()
    reading = await tapped()
    started = clock()
    await reading.until(
        lambda: bool(reading.active()) and reading.active()[0].complete_to > started
    )
    assert reading.active()[0].complete_to <= clock()


async def test_start_latest_leaves_out_what_was_there(
    tapped: Tapped, create_topic: CreateTopic, producer: AIOKafkaProducer
) -> None:
    topic = await create_topic()
    await fill(producer, topic, 3)
    reading = await tapped(start="latest")
    await fill(producer, topic, 1)
    await reading.until(lambda: bool(reading.events))
    assert reading.offsets() == [3]


async def test_start_by_time_begins_at_the_first_record_of_that_time(
    tapped: Tapped, create_topic: CreateTopic, producer: AIOKafkaProducer
) -> None:
    topic = await create_topic()
    now_ms = clock() // 1000
    for age_h in (3, 2, 0):
        await producer.send_and_wait(topic, b"{}", timestamp_ms=now_ms - age_h * 3_600_000)
    reading = await tapped(start="150m")
    await reading.until(lambda: len(reading.events) == 2)
    assert reading.offsets() == [1, 2]


async def test_topics_and_partitions_that_come_later_are_read_from_their_beginning(
    tapped: Tapped,
    create_topic: CreateTopic,
    topic_name: str,
    producer: AIOKafkaProducer,
    admin: AIOKafkaAdminClient,
) -> None:
    topic = await create_topic()
    reading = await tapped(start="latest")
    await reading.until(lambda: len(reading.active()) == 1)
    await admin.create_partitions({topic: NewPartitions(total_count=2)})
    await producer.client.force_metadata_update()
    later = await create_topic(f"{topic_name}-later")
    await fill(producer, topic, 2, partition=1)
    await fill(producer, later, 2)
    await reading.until(lambda: len(reading.events) == 4)
    assert sorted((e.topic, e.partition, e.offset) for e in reading.events) == [
        (topic, 1, 0), (topic, 1, 1), (later, 0, 0), (later, 0, 1),
    ]  # fmt: skip


async def test_a_topic_made_anew_is_another_topic_and_the_old_one_holds_nothing_back(
    tapped: Tapped,
    create_topic: CreateTopic,
    producer: AIOKafkaProducer,
    admin: AIOKafkaAdminClient,
) -> None:
    topic = await create_topic()
    await fill(producer, topic, 3)
    reading = await tapped()
    await reading.until(lambda: len(reading.events) == 3)
    await admin.delete_topics([topic])
    await reading.until(lambda: not reading.active())
    await create_topic()
    await reading.until(lambda: len(reading.active()) == 1)
    await fill(producer, topic, 2)
    await reading.until(lambda: len(reading.events) == 5)
    assert reading.offsets() == [0, 1, 2, 0, 1]
    assert len({event.position() for event in reading.events}) == 5
    assert len(reading.states) == 2
    assert all(state.complete_to > NEVER for state in reading.active())


@pytest.mark.parametrize("anew", [2, 3, 8])
async def test_a_topic_made_anew_between_two_looks_is_not_read_as_the_old_one(
    tapped: Tapped,
    create_topic: CreateTopic,
    producer: AIOKafkaProducer,
    admin: AIOKafkaAdminClient,
    monkeypatch: pytest.MonkeyPatch,
    anew: int,
) -> None:
    """Whether it has fewer events than were read of the old one, as many, or more."""
    topic = await create_topic()
    await fill(producer, topic, 3)
    reading = await tapped()
    await reading.until(lambda: len(reading.events) == 3)
    monkeypatch.setattr(kafka, "DISCOVER_EVERY", 3_600 * US_PER_S)
    consumer = reading.tap._running()
    consumer.rest(TopicPartition(topic, 0), 2 * US_PER_S)
    await asyncio.sleep(0.5)  # the last fetch of the old one is over
    await admin.delete_topics([topic])
    await create_topic()
    await fill_anew(producer, topic, anew)
    await reading.until(lambda: len(reading.events) == 3 + anew)
    assert reading.offsets() == [0, 1, 2, *range(anew)]
    assert reading.gaps == []
    assert {event.topic_id for event in reading.events} == {id for _, id, _ in reading.states}
    assert len(reading.active()) == 1


async def test_what_retention_took_while_the_tap_was_away_is_a_gap_with_its_range(
    tapped: Tapped,
    create_topic: CreateTopic,
    producer: AIOKafkaProducer,
    admin: AIOKafkaAdminClient,
) -> None:
    topic = await create_topic()
    await fill(producer, topic, 2)
    first = await tapped()
    await first.until(lambda: len(first.events) == 2)
    (state,) = first.active()
    seen_to = state.complete_to
    await fill(producer, topic, 5)
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=5)})
    second = await tapped(state)
    await second.until(lambda: len(second.events) == 2)
    assert second.offsets() == [5, 6]
    (gap,) = second.gaps
    assert (gap.from_offset, gap.to_offset) == (2, 5)
    assert gap.from_time >= seen_to
    assert gap.from_time <= gap.to_time


async def test_what_retention_took_before_a_running_tap_is_a_gap_too(
    tapped: Tapped,
    create_topic: CreateTopic,
    producer: AIOKafkaProducer,
    admin: AIOKafkaAdminClient,
) -> None:
    topic = await create_topic()
    await fill(producer, topic, 1)
    reading = await tapped()
    await reading.until(lambda: len(reading.events) == 1)
    await fill(producer, topic, 4)
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=4)})
    await reading.until(lambda: 4 in reading.offsets())
    # What the client had fetched before may have been read; what it had not is in the gap.
    lost = [offset for gap in reading.gaps for offset in range(gap.from_offset, gap.to_offset)]
    assert sorted(reading.offsets() + lost) == [0, 1, 2, 3, 4]


async def test_a_broker_that_comes_back_is_read_on(
    broker: Broker, tapped: Tapped, create_topic: CreateTopic
) -> None:
    topic = await create_topic()
    reading = await tapped()
    await reading.until(lambda: len(reading.active()) == 1)
    await asyncio.to_thread(broker.restart)
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    await fill(producer, topic, 2)
    await producer.stop()
    restarted = clock()
    await reading.until(
        lambda: len(reading.events) == 2 and reading.active()[0].complete_to > restarted
    )
    assert reading.offsets() == [0, 1]


async def test_when_the_library_ends_by_itself_another_connection_reads_on(
    tapped: Tapped, create_topic: CreateTopic, producer: AIOKafkaProducer
) -> None:
    topic = await create_topic()
    await fill(producer, topic, 2)
    reading = await tapped()
    await reading.until(lambda: len(reading.events) == 2)
    assert reading.tap._consumer is not None
    reading.tap._consumer.consumer._fetcher.error_future.cancel()
    await fill(producer, topic, 2)
    await reading.until(lambda: len(reading.events) == 4)
    assert reading.offsets() == [0, 1, 2, 3]


async def test_no_broker_is_an_error_that_names_the_address() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    found = {"bootstrap": nowhere, "topics": ["*"]}
    source = SourceSettings.model_validate({"name": "s", "kafka": found})
    with pytest.raises(SourceError, match=f"no Kafka answers at {nowhere}"):
        await KafkaTap(source, (), clock).start()
