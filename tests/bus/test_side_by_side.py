"""Catching up on a real broker: partitions of very different backlogs stay side by side."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import AIOKafkaProducer

from collector.settings import SourceSettings
from collector.sources import kafka_consumer
from collector.sources.kafka import KafkaTap
from collector.times import US_PER_MS, US_PER_S
from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.bus.reading import TapReading

MINUTE_MS = 60_000
FETCH = 2**16
PAYLOAD = b'{"x":"' + b"." * 1000 + b'"}'
BUSY, QUIET, EMPTY, OLD = range(4)
COUNTS = {BUSY: 3_000, QUIET: 600, EMPTY: 0, OLD: 300}


def clock() -> int:
    return time.time_ns() // 1000


@pytest.fixture
async def topic(broker: Broker, create_topic: CreateTopic) -> str:
    """The last hour in a busy partition and in a quiet one; an empty one; one of two days ago."""
    topic = await create_topic(partitions=4)
    now = clock() // US_PER_MS
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    for partition, count in COUNTS.items():
        begin = now - (2 * 24 * 60 if partition == OLD else 60) * MINUTE_MS
        for number in range(count):
            stamp = begin + number * 60 * MINUTE_MS // count
            await producer.send(topic, PAYLOAD, partition=partition, timestamp_ms=stamp)
    await producer.stop()
    return topic


Tapped = Callable[[str], Awaitable[TapReading]]


@pytest.fixture
async def tapped(
    broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Tapped]:
    # Small fetches: a whole backlog in one would stay side by side whatever the tap does.
    monkeypatch.setattr(kafka_consumer, "MOST_A_FETCH", FETCH)
    taps = []

    async def start(ahead: str) -> TapReading:
        found = {
            "bootstrap": broker.bootstrap, "topics": [topic], "start": "earliest", "ahead": ahead
        }  # fmt: skip
        source = SourceSettings.model_validate({"name": "s", "kafka": found})
        tap = KafkaTap(source, (), clock)
        await tap.start()
        taps.append(tap)
        return TapReading(tap)

    yield start
    for tap in taps:
        await tap.stop()


async def drift(reading: TapReading, topic: str) -> tuple[int, int]:
    """Reads all; the furthest that busy and quiet were apart, and the longest of their fetches.

    In µs of record time; a partition that has been read to its end is no longer counted.
    """
    reached: dict[int, int] = {}
    read = dict.fromkeys(COUNTS, 0)
    apart = longest = 0
    deadline = time.monotonic() + 60
    while read != COUNTS:
        assert time.monotonic() < deadline, read
        batch = await reading.poll()
        for partition in (BUSY, QUIET, OLD):
            times = [event.time for event in batch.events if event.partition == partition]
            if times:
                reached[partition] = max(times)
                longest = max(longest, max(times) - min(times))
                read[partition] += len(times)
        if (
            read[BUSY] < COUNTS[BUSY]
            and read[QUIET] < COUNTS[QUIET]
            and {BUSY, QUIET} <= reached.keys()
        ):
            apart = max(apart, abs(reached[BUSY] - reached[QUIET]))
    for partition, count in COUNTS.items():
        assert reading.offsets(partition) == list(range(count))
    return apart, longest


async def test_no_partition_runs_further_ahead_than_it_may_and_all_is_read(
    tapped: Tapped, topic: str
) -> None:
    ahead = 2 * 60 * US_PER_S
    apart, a_fetch = await drift(await tapped("2m"), topic)
    assert apart <= ahead + a_fetch
    free, _ = await drift(await tapped("none"), topic)
    assert free > ahead + a_fetch, "without it they drift apart: else this shows nothing"


async def test_who_waits_is_told_and_is_not_called_blocked(tapped: Tapped, topic: str) -> None:
    reading = await tapped("2m")
    waited: set[int] = set()
    while not waited:
        await reading.poll()
        waited = {partition for _, partition in reading.tap.condition().waiting}
    assert waited <= {BUSY, QUIET}
    await reading.until(lambda: len(reading.events) == sum(COUNTS.values()))
    await reading.until(
        lambda: all(s.complete_to > clock() - 5 * US_PER_S for s in reading.active())
    )
    assert reading.tap.condition().waiting == ()
    assert all(state.blocked_since is None for state in reading.states.values())
