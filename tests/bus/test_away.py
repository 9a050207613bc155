"""A bus that is away: asked with growing pauses, said in few words, and read on when it is back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from collector.settings import SourceSettings
from collector.sources.kafka import KafkaTap
from collector.times import US_PER_S
from demo.broker import Broker, free_port
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.reading import TapReading
from tests.bus.test_sight import RULES, eventually

TOPIC = "orders"


class Clock:
    """Goes as time does, and further when it is told to."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return time.time_ns() // 1000 + self.ahead


class ClosedDoor:
    """Stands where the broker was: counts who comes, and lets nobody in."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.came = 0

    async def __aenter__(self) -> ClosedDoor:
        def turn_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.came += 1
            writer.close()

        self._server = await asyncio.start_server(turn_away, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await self._server.wait_closed()


@pytest.fixture
def own_broker(broker: Broker, tmp_path: Path) -> Iterator[Broker]:
    """Another one than everybody's: it goes away."""
    with Broker(tmp_path / "kafka") as started:
        yield started


async def write(broker: Broker, count: int) -> None:
    # Idempotent: a record that is sent again would be one more.
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=True)
    await producer.start()
    for _ in range(count):
        await producer.send_and_wait(TOPIC, b"{}", partition=0)
    await producer.stop()


async def create_topic(broker: Broker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 2, 1)])
    await admin.close()


Tapped = Callable[..., Awaitable[TapReading]]


@pytest.fixture
async def tapped() -> AsyncIterator[Tapped]:
    taps = []

    async def start(bootstrap: str, clock: Clock) -> TapReading:
        found = {"bootstrap": bootstrap, "topics": [TOPIC], "start": "earliest"}
        source = SourceSettings.model_validate({"name": "s", "kafka": found})
        tap = KafkaTap(source, (), clock)
        taps.append(tap)
        await tap.start()
        return TapReading(tap)

    yield start
    for tap in taps:
        await tap.stop()


async def test_a_bus_that_is_away_for_long_is_asked_seldom_and_read_on_when_it_is_back(
    own_broker: Broker, tapped: Tapped, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "collector")
    await create_topic(own_broker)
    await write(own_broker, 1)
    clock = Clock()
    reading = await tapped(own_broker.bootstrap, clock)
    await reading.until(lambda: len(reading.events) == 1)
    own_broker.kill()
    caplog.clear()
    minutes = 10
    async with ClosedDoor(own_broker.port) as door:
        for _ in range(minutes * 60 // 5):
            clock.ahead += 5 * US_PER_S
            await reading.poll()
        condition = reading.tap.condition()
        assert condition.state == "connecting"
        assert condition.why is not None
        assert own_broker.bootstrap in condition.why
        assert condition.next_try is not None
        # Each of the two (the broker as we know it, the bus by its address) at most every 5 s.
        assert 4 <= door.came <= 2 * (minutes * 60 // 5) + 10
    # The library's own lines are left out by `nonevent run`: there are hundreds.
    ours = [record for record in caplog.records if record.name.startswith("collector.")]
    said = [record.getMessage() for record in ours]
    assert 2 <= len([line for line in said if "is away" in line]) <= 8
    assert len([line for line in said if "blind on" in line]) == 1, "one line for all partitions"
    assert len(said) <= 12, said
    assert all(s.blocked_since is not None for s in reading.active())

    await asyncio.to_thread(own_broker.start)
    await write(own_broker, 2)
    clock.ahead += 10 * US_PER_S
    back = clock()
    await reading.until(lambda: len(reading.events) == 3 and reading.complete_after(back))
    assert reading.offsets() == [0, 1, 2]
    assert reading.tap.condition().state == "reading"
    assert all(s.blocked_since is None for s in reading.active())


async def test_a_bus_that_moves_to_another_address_of_the_list_is_found(
    tapped: Tapped, broker: Broker, tmp_path: Path
) -> None:
    here = Broker(tmp_path / "kafka")
    there = Broker(tmp_path / "kafka")
    here.start()
    try:
        await create_topic(here)
        await write(here, 1)
        reading = await tapped(f"{here.bootstrap},{there.bootstrap}", Clock())
        await reading.until(lambda: len(reading.events) == 1)
        here.stop()
        await asyncio.to_thread(there.start)
        await write(there, 1)
        await reading.until(lambda: len(reading.events) == 2, patience=60)
    finally:
        here.stop()
        there.stop()
    assert reading.offsets() == [0, 1]


async def test_a_daemon_whose_bus_is_away_at_its_start_says_so_and_begins_when_it_is_there(
    broker: Broker, tmp_path: Path
) -> None:
    own = Broker(tmp_path / "kafka", free_port())
    folder = tmp_path / "daemon"
    folder.mkdir()
    with (
        Receiver() as receiver,
        DaemonProcess(folder, own.bootstrap, "*", RULES, receiver.url) as daemon,
    ):

        def the_source() -> dict[str, object]:
            (found,) = daemon.ask("/api/status")["sources"] or [{"why": None, "state": None}]
            return dict(found)

        await eventually(lambda: the_source()["why"])
        source = the_source()
        assert source["state"] == "connecting"
        assert own.bootstrap in str(source["why"])
        assert source["next_try"]
        try:
            await asyncio.to_thread(own.start)
            await create_topic(own)
            await write(own, 1)
            await eventually(lambda: daemon.ask("/api/status")["events"] == 1, patience=60)
            assert the_source()["state"] == "reading"
            # It goes away while everything runs: that is told too.
            own.kill()
            await eventually(lambda: the_source()["state"] == "connecting")
        finally:
            own.stop()
