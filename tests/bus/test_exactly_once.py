"""Exactly once: a daemon is killed again and again while its bus changes; then the bus is read.

One scenario, seeded: 12 partitions, five codecs, transactions of which some abort and some stay
open; the broker dies, a topic is made anew, partitions are added, retention passes the tap.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from collector.times import US_PER_S, format_time, parse_time
from demo.broker import Broker
from tests.bus.comparing import Seen, Stored, payloads
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.reading import Record, read_all
from tests.bus.test_sight import eventually
from tests.bus.traffic import Traffic

KILLS = 20
SOAK_KILLS = int(os.environ.get("KILLS", "1000"))
KILLS_A_ROUND = 50
"""A restart reads the whole store back: in a round it stays small enough to be killed often."""
PARTITIONS = 12
BACKLOG = 40_000
YOUNG = 0.25
"""So many daemons are killed whatever they are at; the others once they have stored something."""
RULES = """\
version: 1
flow: order
begins: order.created
grace: 3s
skew: 0s
expectations:
  - {name: paid, after: order.created, expect: paid, within: 2s}
"""
# Where something is lost on purpose, no order is in doubt.
NAMES = """\
    topics:
      "*.short": {names: [noise]}
      "*.remade": {names: [noise]}
"""


@pytest.fixture
def own_broker(broker: Broker, tmp_path: Path) -> Iterator[Broker]:
    """Another one than everybody's: it is killed."""
    with Broker(tmp_path / "kafka") as started:
        yield started


@pytest.fixture
async def admin(own_broker: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    started = AIOKafkaAdminClient(bootstrap_servers=own_broker.bootstrap)
    await started.start()
    yield started
    await started.close()


@dataclass
class Topics:
    """`growing` gets partitions, `remade` is deleted and made anew, `short` loses its beginning."""

    prefix: str

    def __post_init__(self) -> None:
        self.orders, self.growing, self.deep, self.remade, self.short = (
            f"{self.prefix}.{name}" for name in ("orders", "growing", "deep", "remade", "short")
        )


class Scenario:
    """One run: what was done to the bus, and what was on it before it was gone."""

    def __init__(
        self, broker: Broker, admin: AIOKafkaAdminClient, daemon: DaemonProcess, topics: Topics,
        seed: int,
    ) -> None:  # fmt: skip
        self.broker, self.admin, self.daemon, self.topics = broker, admin, daemon, topics
        self.chance = random.Random(seed)
        self.seen = Seen()
        self.before: dict[str, list[Record]] = {}
        """Topics as they were before something of them was taken away."""
        self.looks_behind = 0
        """How often a partition was seen that had more than was read, or that hid something."""
        self.gaps: set[tuple[str, int, int, int]] = set()
        """Those that there must be, and no others: topic, partition, from, to."""

    # The bus

    async def create(self, topic: str, partitions: int) -> None:
        settings = {"message.timestamp.type": "LogAppendTime"}

        async def created() -> bool:
            wanted = [NewTopic(topic, partitions, 1, topic_configs=settings)]
            answer = await self.admin.create_topics(wanted)
            return all(not one["error_code"] for one in answer.to_object()["topic_errors"])

        while not await created():  # one of this name is still being deleted
            await asyncio.sleep(0.1)

    async def pile_up(self) -> None:
        """More than one reading takes: the daemon will be behind for a while, and asked then."""
        producer = AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap, linger_ms=5)
        await producer.start()
        for number in range(BACKLOG):
            await producer.send(
                self.topics.deep, b'{"n":%d}' % number, headers=[("type", b"noise")]
            )
        await producer.stop()

    async def write(self, topic: str, count: int, partitions: int) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap)
        await producer.start()
        for number in range(count):
            value = json.dumps({"n": number, "at": self.chance.random()}).encode()
            place = self.chance.randrange(partitions)
            await producer.send_and_wait(
                topic, value, partition=place, headers=[("type", b"noise")]
            )
        await producer.stop()

    async def read(self, topic: str, partitions: int) -> list[Record]:
        return await read_all(self.broker.bootstrap, [topic], partitions)

    # What happens to it, in this order

    async def lose_the_broker(self) -> None:
        self.broker.kill()
        await asyncio.sleep(self.chance.uniform(0, 2))
        await asyncio.to_thread(self.broker.start)

    async def add_partitions(self) -> None:
        await self.admin.create_partitions({self.topics.growing: NewPartitions(total_count=4)})

    async def make_anew(self) -> None:
        """What was written is read first: a topic that is gone with what nobody read is a loss."""
        topic = self.topics.remade
        records = self.before[topic] = await self.read(topic, 2)
        ends = {p: max(r.offset for r in records if r.partition == p) + 1 for p in (0, 1)}
        await self.until(lambda: all(self.position(topic, p) == ends[p] for p in ends))
        await self.admin.delete_topics([topic])
        await self.create(topic, 2)
        await self.write(topic, 40, 2)

    async def pass_the_tap(self) -> None:
        """Retention takes what the daemon, which is down, had not read; and others write much."""
        topic = self.topics.short
        await self.until(lambda: all(self.position(topic, p) > 0 for p in (0, 1)))
        self.daemon.kill()
        await self.write(topic, 40, 2)
        self.before[topic] = await self.read(topic, 2)
        was = self.copied().next_offsets
        cut = {p: was[topic, p] + self.chance.randint(1, 8) for p in (0, 1)}
        await self.admin.delete_records(
            {TopicPartition(topic, p): RecordsToDelete(before_offset=cut[p]) for p in cut}
        )
        self.gaps = {(topic, p, was[topic, p], cut[p]) for p in cut}
        await self.pile_up()
        self.daemon.start()
        await self.until(lambda: self.position(self.topics.deep, 0) == BACKLOG)

    def copied(self) -> Stored:
        """The file as the kill left it, opened elsewhere: the daemon's own stays as it is."""
        copy = self.daemon.folder / "copy.duckdb"
        for end in ("", ".wal"):
            source = self.daemon.store.with_name(self.daemon.store.name + end)
            copy.with_name(copy.name + end).unlink(missing_ok=True)
            if source.exists():
                shutil.copy(source, copy.with_name(copy.name + end))
        duckdb.connect(str(copy)).close()  # takes the log into the file
        return Stored.of(copy)

    # The daemon

    def look(self) -> int:
        """Notes what the daemon says of its partitions; how many events it has."""
        try:
            status = httpx.get(f"{self.daemon.url}/api/status", timeout=10).json()
        except (httpx.HTTPError, ValueError):
            return 0
        self.now_at: dict[tuple[str, int], int] = {}
        for source in status["sources"]:
            for part in source["partitions"]:
                place = part["topic"], part["partition"]
                self.now_at[place] = part["position"]
                self.looks_behind += part["position"] < (part["high_watermark"] or 0)
                # Of a topic that is made anew nobody can say which one is meant.
                if part["complete_to"] and part["topic"] != self.topics.remade:
                    complete_to = parse_time(part["complete_to"])
                    assert complete_to is not None
                    self.seen.said[place].append((part["position"], complete_to))
        return int(status["events"])

    def position(self, topic: str, partition: int) -> int:
        return self.now_at.get((topic, partition), 0)

    async def until(self, done: Callable[[], bool], patience: float = 120) -> None:
        """Until what the daemon says is so."""
        deadline = time.monotonic() + patience
        self.now_at = {}
        while not (await asyncio.to_thread(self.look) and done()):
            assert time.monotonic() < deadline, (self.now_at, self.daemon.tail())
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """At a random moment of its starting, or of its reading, storing and judging."""
        if self.chance.random() < YOUNG:
            await asyncio.sleep(self.chance.uniform(0, 2))
        else:
            before = 0

            def has_stored_more() -> bool:
                nonlocal before
                events = self.look()
                before = before or events
                return events > before

            await eventually(has_stored_more, patience=120)
            await asyncio.sleep(self.chance.uniform(0, 0.5))
        self.daemon.kill()
        self.daemon.start()

    async def run(self, kills: int) -> None:
        """All that happens to the bus, spread among the kills."""
        happens: list[Callable[[], Awaitable[None]]] = [
            self.lose_the_broker, self.add_partitions, self.make_anew, self.lose_the_broker,
            self.pass_the_tap,
        ]  # fmt: skip
        every = kills // (len(happens) + 1)
        for number in range(1, kills + 1):
            await self.kill()
            if number % every == 0 and happens:
                await happens.pop(0)()
        assert not happens


def findings(path: Path, settled_to: str) -> set[tuple[str, str]]:
    """What was found of what is settled: the flow and the position that it began with."""
    with duckdb.connect(str(path), read_only=True) as store:
        rows = store.execute(
            "SELECT id, flow FROM findings WHERE state <> 'retracted' AND deadline <= "
            "?::TIMESTAMPTZ AT TIME ZONE 'UTC'",
            [settled_to],
        ).fetchall()
    return {(row[0], row[1]) for row in rows}


async def settled(daemon: DaemonProcess) -> str:
    """Ends the daemon once everything that is on the bus now is judged for good."""
    now = format_time(time.time_ns() // 1000 + 6 * US_PER_S)
    await eventually(lambda: daemon.settled_to() > now, patience=240)
    daemon.stop()
    return now


async def one_round(
    broker: Broker, admin: AIOKafkaAdminClient, folder: Path, seed: int, kills: int
) -> dict[str, int]:
    """Runs the scenario and compares; what was compared."""
    topics = Topics(f"once-{seed}")
    (folder / "clean").mkdir(parents=True)
    with (
        Receiver() as receiver,
        DaemonProcess(
            folder, broker.bootstrap, f"{topics.prefix}.*", RULES, receiver.url, NAMES
        ) as daemon,
    ):
        scenario = Scenario(broker, admin, daemon, topics, seed)
        await scenario.create(topics.orders, PARTITIONS)
        await scenario.create(topics.deep, 1)
        for topic in (topics.growing, topics.remade, topics.short):
            await scenario.create(topic, 2)
        for topic in (topics.remade, topics.short):
            await scenario.write(topic, 40, 2)
        traffic = Traffic(broker.bootstrap, topics.orders, PARTITIONS, topics.growing, seed)
        async with traffic.flowing():
            await scenario.run(kills)
        scenario.look()
        now = await settled(daemon)
        stored = Stored.of(daemon.store)
        orders = await scenario.read(topics.orders, PARTITIONS)
        growing = await scenario.read(topics.growing, 4)
        deep = await scenario.read(topics.deep, 1)
        remade = await scenario.read(topics.remade, 2)

        # None lost, none twice, none changed.
        on_bus = [(topics.orders, orders), (topics.growing, growing), (topics.deep, deep)]
        missed = sum(
            len(payloads(records).keys() - kept_of_it.keys())
            for topic, records in on_bus
            for kept_of_it in stored.incarnations(topic)[:1]
        )
        assert missed == 0
        assert stored.twice() == 0
        assert stored.incarnations(topics.orders) == [payloads(orders)]
        assert stored.incarnations(topics.growing) == [payloads(growing)]
        assert stored.incarnations(topics.deep) == [payloads(deep)]
        was = scenario.before[topics.remade]
        assert stored.incarnations(topics.remade) == [payloads(was), payloads(remade)]
        # What retention took is missing, is a gap, and is all of it.
        lost = scenario.gaps
        kept = [
            record
            for record in scenario.before[topics.short]
            if not any(p == record.partition and a <= record.offset < b for _, p, a, b in lost)
        ]
        assert len(kept) < len(scenario.before[topics.short])
        assert stored.incarnations(topics.short) == [payloads(kept)]
        found = {(g.topic, g.partition, g.from_offset, g.to_offset) for g in stored.gaps}
        assert found == lost
        assert len(stored.gaps) == len(lost), "no gap is recorded twice"
        # Sight never went back, and never further than what had been read.
        assert scenario.seen.went_back() == []
        assert scenario.seen.beyond([*orders, *growing, *deep]) == []
        looks, behind = sum(map(len, scenario.seen.said.values())), scenario.looks_behind

        # A daemon that nobody kills reads the same in one go, and finds the same.
        with DaemonProcess(
            folder / "clean", broker.bootstrap, f"{topics.prefix}.*", RULES, receiver.url, NAMES
        ) as clean:
            await settled(clean)
        settled_findings = findings(daemon.store, now)
        assert settled_findings == findings(clean.store, now)

    # Nothing of this was compared with nothing.
    assert daemon.kills >= kills
    assert min(traffic.aborted, traffic.committed, len(settled_findings), behind) > 10
    assert {record.partition for record in orders} == set(range(PARTITIONS))
    assert {record.partition for record in growing} == set(range(4))
    return {
        "kills": daemon.kills,
        "lost": missed,
        "twice": stored.twice(),
        "events": len(stored.events),
        "transactions": traffic.committed,
        "aborted": traffic.aborted,
        "gaps": len(stored.gaps),
        "findings": len(settled_findings),
        "looks": looks,
        "looks_behind": behind,
    }


async def test_each_event_is_stored_once_whenever_the_daemon_is_killed_and_whatever_the_bus_does(
    own_broker: Broker, admin: AIOKafkaAdminClient, tmp_path: Path
) -> None:
    await one_round(own_broker, admin, tmp_path / "round", 1, KILLS)


@pytest.mark.soak
@pytest.mark.timeout(24 * 3600)
async def test_a_thousand_kills(
    own_broker: Broker,
    admin: AIOKafkaAdminClient,
    tmp_path: Path,
    record: Callable[..., None],
) -> None:
    """In rounds, each with another seed; KILLS says how many."""
    total: dict[str, int] = {}
    for seed in range(1_000, 1_000 + max(1, SOAK_KILLS // KILLS_A_ROUND)):
        folder = tmp_path / f"round-{seed}"
        figures = await one_round(own_broker, admin, folder, seed, KILLS_A_ROUND)
        shutil.rmtree(folder)
        total = {name: total.get(name, 0) + figure for name, figure in figures.items()}
        print(seed, figures, flush=True)
    record("each event once, the daemon killed at random moments", **total)
