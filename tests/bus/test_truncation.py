"""A log that lost its end and was written on: what was read of it stays, what is new is read."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from collector.batch import PartitionState
from collector.settings import SourceSettings
from collector.sources import kafka
from collector.sources.kafka import KafkaTap
from demo.broker import Broker
from tests.bus.reading import TapReading

READ, KEPT = 10, 7
TOPICS = {"longer": 5, "shorter": 1, "equal": 3, "restarted": 5}
"""How much is written after the log was cut: then it is longer than what was read, shorter, …"""


class Clock:
    """Stands still when it is told to: then nobody tries to connect again."""

    def __init__(self) -> None:
        self._stopped: int | None = None

    def __call__(self) -> int:
        return time.time_ns() // 1000 if self._stopped is None else self._stopped

    def stop(self) -> None:
        self._stopped = self()

    def go_on(self) -> None:
        self._stopped = None


@pytest.fixture
def own_broker(broker: Broker, tmp_path: Path) -> Iterator[Broker]:
    """Another one than everybody's: its disk loses what was written last."""
    with Broker(tmp_path / "kafka") as started:
        yield started


Tapped = Callable[..., Awaitable[TapReading]]


@pytest.fixture
async def tapped(own_broker: Broker) -> AsyncIterator[Tapped]:
    taps = []

    async def start(
        clock: Clock, *topics: str, known: list[PartitionState] | None = None
    ) -> TapReading:
        found = {"bootstrap": own_broker.bootstrap, "topics": [*topics], "start": "earliest"}
        source = SourceSettings.model_validate({"name": "s", "kafka": found})
        tap = KafkaTap(source, known or (), clock)
        await tap.start()
        taps.append(tap)
        return TapReading(tap)

    yield start
    for tap in taps:
        await tap.stop()


async def write(broker: Broker, counts: dict[str, int], value: bytes) -> None:
    """Each record in a batch of its own."""
    # Idempotent: a record that is sent again would be one more.
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=True)
    await producer.start()
    for topic, count in counts.items():
        for _ in range(count):
            await producer.send_and_wait(topic, value, partition=0)
    await producer.stop()


def lose_the_end(broker: Broker, topic: str) -> None:
    """Leaves the first batches in the log, as a disk may that had not written the others."""
    log = broker.folder / "data" / f"{topic}-0" / "00000000000000000000.log"
    data, at = log.read_bytes(), 0
    for _ in range(KEPT):
        _, length = struct.unpack_from(">qi", data, at)
        at += 12 + length
    assert 0 < at < len(data)
    log.write_bytes(data[:at])


def shows_the_cut(reading: TapReading, topic: str) -> None:
    """The gap has the lost range; each offset was read in its time, and nothing twice."""
    (gap,) = [gap for gap in reading.gaps if gap.topic == topic]
    assert (gap.from_offset, gap.to_offset, gap.reason) == (KEPT, READ, "the log was truncated")
    assert gap.from_time <= gap.to_time
    state = reading.state(topic)
    assert state.topic_id == f"{gap.topic_id}@1"
    found = [event for event in reading.events if event.topic == topic]
    new = [event.offset for event in found if event.payload == '"new"']
    assert new == list(range(KEPT, KEPT + TOPICS[topic]))
    assert len({event.position() for event in found}) == len(found)


async def test_what_a_log_lost_is_a_gap_and_what_was_written_in_its_place_is_read(
    own_broker: Broker, tapped: Tapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=own_broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1) for topic in TOPICS])
    await admin.close()
    await write(own_broker, dict.fromkeys(TOPICS, READ), b'"old"')
    clock = Clock()
    running = await tapped(clock, "longer", "shorter")
    idle = await tapped(clock, "equal")
    stopped = await tapped(clock, "restarted")
    await running.until(lambda: len(running.events) == 2 * READ)
    for one in (idle, stopped):
        await one.until(lambda one=one: len(one.events) == READ)  # type: ignore[misc]
    await stopped.tap.stop()

    own_broker.kill()
    clock.stop()
    for one in (running, idle):
        await one.until(lambda one=one: one.tap.condition().state == "connecting")  # type: ignore[misc]
    for topic in TOPICS:
        lose_the_end(own_broker, topic)
    await asyncio.to_thread(own_broker.start)
    await write(own_broker, TOPICS, b'"new"')
    clock.go_on()

    # Found while reading: at an offset that now holds something else, and beyond the log's end.
    monkeypatch.setattr(kafka, "DISCOVER_EVERY", 10**15)
    await running.until(lambda: len(running.events) == 2 * READ + 6)
    shows_the_cut(running, "longer")
    shows_the_cut(running, "shorter")
    # Found though there is nothing to read: by the change of leaders.
    monkeypatch.setattr(kafka, "DISCOVER_EVERY", 0)
    await idle.until(lambda: len(idle.events) == READ + 3)
    shows_the_cut(idle, "equal")
    # Found at a start, by what the store holds; and once only.
    again = await tapped(clock, "restarted", known=stopped.active())
    await again.until(lambda: len(again.events) == TOPICS["restarted"])
    again.events[:0] = stopped.events
    shows_the_cut(again, "restarted")
    assert [s.retired for s in again.states.values() if "@" not in s.topic_id] == [True]
    once_more = await tapped(clock, "restarted", known=list(again.states.values()))
    now = clock()
    await once_more.until(lambda: once_more.complete_after(now))
    assert (once_more.events, once_more.gaps) == ([], [])


@pytest.mark.field
async def test_another_leader_that_holds_everything_is_no_cut(
    own_broker: Broker, tapped: Tapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "DISCOVER_EVERY", 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=own_broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    reading = await tapped(Clock(), "kept")
    epochs = set()
    for _ in range(2):
        await write(own_broker, {"kept": 3}, b'"old"')
        count = len(reading.events) + 3
        await reading.until(lambda count=count: len(reading.events) == count)  # type: ignore[misc]
        epochs.add(reading.state("kept").epoch)
        await asyncio.to_thread(own_broker.restart)
    await write(own_broker, {"kept": 1}, b'"old"')
    await reading.until(lambda: len(reading.events) == 7)
    assert reading.offsets() == list(range(7))
    assert reading.gaps == []
    assert len(epochs) == 2, "the leader's epoch changed: else this shows nothing"


@pytest.mark.long
async def test_an_election_of_a_replica_that_lacks_records_is_noticed(
    own_broker: Broker, tapped: Tapped, tmp_path: Path
) -> None:
    with (
        Broker(tmp_path / "two", joins=own_broker, node=2) as two,
        Broker(tmp_path / "three", joins=own_broker, node=3) as three,
    ):
        admin = AIOKafkaAdminClient(bootstrap_servers=own_broker.bootstrap)
        await admin.start()
        settings = {"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}
        topic = NewTopic("longer", -1, -1, replica_assignments={0: [2, 3]}, topic_configs=settings)
        answer = await admin.create_topics([topic])
        assert answer.to_object()["topic_errors"][0]["error_code"] == 0
        await admin.close()
        await write(own_broker, {"longer": KEPT}, b'"old"')
        await asyncio.to_thread(three.restart)  # with care: it has everything so far
        await asyncio.to_thread(three.kill)
        await write(own_broker, {"longer": READ - KEPT}, b'"old"')
        reading = await tapped(Clock(), "longer")
        await reading.until(lambda: len(reading.events) == READ)
        await asyncio.to_thread(two.kill)
        await asyncio.to_thread(three.start)
        await write(own_broker, {"longer": TOPICS["longer"]}, b'"new"')
        await reading.until(lambda: len(reading.events) == READ + TOPICS["longer"], patience=60)
        shows_the_cut(reading, "longer")
