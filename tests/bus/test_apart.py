"""A tap in a process of its own reads what a tap in ours reads, and outlives its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from collector.batch import Batch
from collector.errors import ConfigurationError, SourceError
from collector.event import Event
from collector.interest import Interest, Part
from collector.settings import SourceSettings
from collector.sources.apart import TapApart
from collector.store import reading
from collector.store.store import Store
from demo.broker import Broker, free_port
from nonevent.clock import clock
from nonevent.watch import TAP_PROCESS
from tests.bus.conftest import CreateTopic

INTEREST = Interest({"order.created": Part(payload=None), "order.paid": Part()})

Apart = Callable[..., TapApart]


@pytest.fixture
async def apart() -> AsyncIterator[Apart]:
    taps: list[TapApart] = []

    def make(bootstrap: str, topic: str, **more: object) -> TapApart:
        described = {
            "name": "s",
            "kafka": {"bootstrap": bootstrap, "topics": [topic], "start": "earliest", **more},
            "id_from": ["key"],
        }
        settings = SourceSettings.model_validate(described)
        taps.append(TapApart(settings, (), clock, interest=INTEREST, command=TAP_PROCESS))
        return taps[-1]

    yield make
    for tap in taps:
        await tap.stop()


async def produce(broker: Broker, topic: str, names: list[str], partitions: int = 2) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=True)
    await producer.start()
    for number, name in enumerate(names):
        headers = [("type", name.encode()), ("correlation_id", b"c-%d" % (number % 5))]
        await producer.send_and_wait(
            topic, b'{"n": %d}' % number, key=b"%d" % number, headers=headers,
            partition=number % partitions,
        )  # fmt: skip
    await producer.stop()


async def take(tap: TapApart, count: int) -> list[Batch]:
    batches: list[Batch] = []
    deadline = time.monotonic() + 60
    while sum(batch.count for batch in batches) < count:
        assert time.monotonic() < deadline, [batch.count for batch in batches]
        batches.append(await tap.poll())
    return batches


def seen(batches: list[Batch]) -> list[Event]:
    return [glimpse.event() for batch in batches for glimpse in batch.glimpses]


async def test_stages_see_what_is_of_interest_and_the_store_gets_everything(
    broker: Broker, create_topic: CreateTopic, apart: Apart, tmp_path: object
) -> None:
    topic = await create_topic(partitions=2)
    names = ["order.created", "order.paid", "order.packed"] * 10
    await produce(broker, topic, names)
    tap = apart(broker.bootstrap, topic)
    await tap.start()
    batches = await take(tap, len(names))
    slim = seen(batches)
    assert len(slim) == len(names)
    assert all((event.payload is not None) == (event.name == "order.created") for event in slim)
    assert all(event.headers == "[]" and event.key is None for event in slim)
    store = Store(tmp_path / "store.duckdb")  # type: ignore[operator]  # a Path
    for batch in batches:
        store.commit(batch).result()
    with store.reader() as cursor:
        whole = reading.events(cursor, "ORDER BY seq")
    store.close()
    assert sorted(int(event.key or "") for event in whole) == list(range(30))
    assert all(event.payload and '["type","' in event.headers for event in whole)
    assert tap.condition().state == "reading"


async def test_how_long_after_they_happened_events_were_published_is_told_with_them(
    broker: Broker, create_topic: CreateTopic, apart: Apart
) -> None:
    topic = await create_topic()
    stamp_ms = clock() // 1000
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    for later in (5_000, 90_000, -1_000):
        payload = b'{"occurred_at": %d}' % (stamp_ms - later)
        await producer.send_and_wait(topic, payload, timestamp_ms=stamp_ms)
    await producer.stop()
    tap = apart(broker.bootstrap, topic)
    await tap.start()
    await take(tap, 3)
    assert tap.condition().published_after == {topic: 90_000_000}


async def test_a_process_that_is_killed_is_followed_by_one_that_goes_on_where_it_was(
    broker: Broker, create_topic: CreateTopic, apart: Apart
) -> None:
    topic = await create_topic(partitions=2)
    await produce(broker, topic, ["order.paid"] * 20)
    tap = apart(broker.bootstrap, topic)
    await tap.start()
    batches = await take(tap, 20)
    first = tap.pid()
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await produce(broker, topic, ["order.paid"] * 20)
    batches += await take(tap, 20)
    assert tap.pid() not in (first, None)
    positions = [event.position() for event in seen(batches)]
    assert len(positions) == len(set(positions)) == 40
    assert [state.first_offset for state in batches[-1].partitions] == [0, 0]


async def test_a_process_that_was_started_early_is_the_one_that_reads(
    broker: Broker, create_topic: CreateTopic, apart: Apart
) -> None:
    topic = await create_topic(partitions=2)
    await produce(broker, topic, ["order.paid"] * 20)
    tap = apart(broker.bootstrap, topic)
    others = children()
    tap.warm_up()
    (early,) = children() - others
    assert tap.pid() is None, "it reads nothing yet"
    await tap.start()
    assert tap.pid() == early
    assert len(seen(await take(tap, 20))) == 20


async def test_one_that_was_started_early_and_is_gone_is_told_of_and_followed_by_another(
    broker: Broker, create_topic: CreateTopic, apart: Apart
) -> None:
    topic = await create_topic(partitions=2)
    await produce(broker, topic, ["order.paid"] * 20)
    tap = apart(broker.bootstrap, topic)
    others = children()
    tap.warm_up()
    (early,) = children() - others
    os.kill(early, signal.SIGKILL)
    os.waitid(os.P_PID, early, os.WEXITED | os.WNOWAIT)
    with pytest.raises(SourceError, match="ended before it had started"):
        await tap.start()
    await tap.start()
    assert tap.pid() not in (early, None)
    assert len(seen(await take(tap, 20))) == 20


async def test_one_that_was_started_early_and_never_told_ends_with_the_tap_and_with_the_daemon(
    apart: Apart, capfd: pytest.CaptureFixture[str]
) -> None:
    tap = apart("127.0.0.1:1", "orders")
    others = children()
    tap.warm_up()
    assert children() > others
    await tap.stop()
    assert children() == others
    orphan = subprocess.run(TAP_PROCESS, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert (orphan.stdout, orphan.stderr) == (b"", b"")


def children() -> set[int]:
    """Processes of ours. By number alone: one that has just begun has no command line yet."""
    every = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
    return {int(pid) for pid in every.split()}


HEAVY = ("apprise", "celpy", "duckdb", "fastapi", "fastavro", "httpx", "jinja2", "rich")


def test_its_process_loads_nothing_that_its_source_may_not_need() -> None:
    """Each costs some 20 to 100 ms of every start."""
    said = subprocess.run(
        [sys.executable, "-c", "import sys, nonevent.tap_process; print(*sys.modules)"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert "aiokafka" in said
    assert not {*HEAVY} & {*said}


async def test_what_keeps_it_from_starting_is_told_here(broker: Broker, apart: Apart) -> None:
    away = apart(f"127.0.0.1:{free_port()}", "orders")
    with pytest.raises(SourceError, match="no Kafka answers at"):
        await away.start()
    assert away.pid() is None
    spoilt = apart(broker.bootstrap, "orders", tls={"ca": "/nowhere/ca.pem"})
    with pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem cannot be read"):
        await spoilt.start()
