"""A daemon that is killed again and again while its bus, its clock and its disk change.

Seeded: 12 partitions, five codecs, transactions of which some abort and some stay open. Afterwards
the store is held against the bus, and the findings against those of a daemon that nobody killed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from collector.store.store import CHECKPOINT_AFTER
from collector.times import US_PER_S, format_time, parse_time
from demo.broker import Broker
from tests.bus.clock import Clock
from tests.bus.comparing import Seen, Stored, payloads
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.disk import Disk
from tests.bus.reading import Record, read_all
from tests.bus.test_sight import eventually
from tests.bus.traffic import Traffic

PARTITIONS = 12
BACKLOG = 40_000
BULKY = 900_000
"""Bytes of an event; some hundreds fill the store's log."""
HOURS = 3 * 3600.0
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


@dataclass
class Topics:
    """`growing` gets partitions, `remade` is deleted and made anew, `short` loses its beginning;
    `deep` is written to while nobody reads, and `bulky` until a disk is full."""

    prefix: str

    def __post_init__(self) -> None:
        self.orders, self.growing, self.deep, self.remade, self.short, self.bulky = (
            f"{self.prefix}.{name}"
            for name in ("orders", "growing", "deep", "remade", "short", "bulky")
        )


class Scenario:
    """One run: what was done to the bus, and what was on it before it was gone."""

    def __init__(
        self, broker: Broker, admin: AIOKafkaAdminClient, daemon: DaemonProcess, topics: Topics,
        seed: int, bus: bool, clock: Clock | None, disk: Disk | None,
    ) -> None:  # fmt: skip
        """What changes: the bus, the daemon's clock, its disk."""
        self.broker, self.admin, self.daemon, self.topics = broker, admin, daemon, topics
        self.bus, self.clock, self.disk = bus, clock, disk
        self.chance = random.Random(seed)
        self.partitions: dict[str, int] = {}
        self.clock_is_right = True
        self.spells = [Seen()]
        """What the daemon said, anew each time that its clock was set right."""
        self.before: dict[str, list[Record]] = {}
        """Topics as they were before something of them was taken away."""
        self.looks_behind = 0
        """How often a partition was seen that had more than was read, or that hid something."""
        self.gaps: set[tuple[str, int, int, int]] = set()
        """Those that there must be, and no others: topic, partition, from, to."""

    # The bus

    async def create(self, topic: str, partitions: int) -> None:
        self.partitions[topic] = partitions
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

    async def write(self, topic: str, count: int) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap)
        await producer.start()
        for number in range(count):
            value = json.dumps({"n": number, "at": self.chance.random()}).encode()
            place = self.chance.randrange(self.partitions[topic])
            await producer.send_and_wait(
                topic, value, partition=place, headers=[("type", b"noise")]
            )
        await producer.stop()

    async def write_bulky(self, size: int) -> None:
        """So many bytes that no compression makes much smaller than they are."""
        producer = AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap)
        await producer.start()
        for _ in range(size // BULKY + 1):
            text = base64.b85encode(self.chance.randbytes(BULKY * 4 // 5))
            await producer.send_and_wait(self.topics.bulky, text, headers=[("type", b"noise")])
        await producer.stop()

    async def read(self, topic: str) -> list[Record]:
        return await read_all(self.broker.bootstrap, [topic], self.partitions[topic])

    # What happens to it

    async def lose_the_broker(self) -> None:
        self.broker.kill()
        await asyncio.sleep(self.chance.uniform(0, 2))
        await asyncio.to_thread(self.broker.start)

    async def add_partitions(self) -> None:
        await self.admin.create_partitions({self.topics.growing: NewPartitions(total_count=4)})
        self.partitions[self.topics.growing] = 4

    async def make_anew(self) -> None:
        """What was written is read first: a topic that is gone with what nobody read is a loss."""
        topic = self.topics.remade
        records = self.before[topic] = await self.read(topic)
        ends = {p: max(r.offset for r in records if r.partition == p) + 1 for p in (0, 1)}
        await self.until(lambda: all(self.position(topic, p) == ends[p] for p in ends))
        await self.admin.delete_topics([topic])
        await self.create(topic, 2)
        await self.write(topic, 40)

    async def pass_the_tap(self) -> None:
        """Retention takes what the daemon, which is down, had not read; and others write much."""
        topic = self.topics.short
        await self.until(lambda: all(self.position(topic, p) > 0 for p in (0, 1)))
        self.daemon.kill()
        await self.write(topic, 40)
        self.before[topic] = await self.read(topic)
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

    # What happens to its clock

    async def run_ahead(self) -> None:
        self.clock_is_right = False
        self._clock.set(HOURS)

    async def fall_behind(self) -> None:
        self.clock_is_right = False
        self._clock.set(-HOURS)

    async def set_right(self) -> None:
        """Also of a daemon that is down meanwhile. Then nothing is seen that is yet to come."""
        down = self.chance.random() < 0.5
        if down:
            self.daemon.kill()
        self._clock.set(0)
        if down:
            self.daemon.start()
        await self.until(self._sees_what_was)
        self.spells.append(Seen())
        self.clock_is_right = True

    def _sees_what_was(self) -> bool:
        """Of every partition nothing is known at first."""
        now = time.time_ns() // 1000
        return bool(self.sight) and max(self.sight.values()) <= now + US_PER_S

    @property
    def _clock(self) -> Clock:
        assert self.clock is not None
        return self.clock

    # What happens to its disk

    async def fill_up(self) -> None:
        """No room for what is to be stored; the daemon says so, and is killed."""
        assert self.disk is not None
        self.disk.leave()
        await self._die_without_room()

    async def fill_up_later(self) -> None:
        """Room for the log, and none for what is in it when it is taken into the file. A daemon
        that does so while its log is measured has less room than is meant: then once more."""
        assert self.disk is not None
        for _ in range(3):
            self.disk.leave(CHECKPOINT_AFTER - self._logged() + CHECKPOINT_AFTER // 2)
            await self.write_bulky(CHECKPOINT_AFTER * 2)
            await self._die_without_room()
            if any(map(in_checkpoint, no_room(self.daemon))):
                return

    def _logged(self) -> int:
        """Bytes of the store's log, which is not there between a checkpoint and the next commit."""
        try:
            return self.daemon.store.with_name(self.daemon.store.name + ".wal").stat().st_size
        except FileNotFoundError:
            return 0

    async def _die_without_room(self) -> None:
        assert self.disk is not None
        await eventually(self._says_full, patience=120)
        self.daemon.kill()
        self.daemon.start()
        await asyncio.sleep(self.chance.uniform(0, 3))
        if self.chance.random() < 0.5:
            self.daemon.kill()
            self.daemon.start()
        self.disk.make_room()

    def _says_full(self) -> bool:
        with contextlib.suppress(httpx.HTTPError, ValueError):
            status = httpx.get(f"{self.daemon.url}/api/status", timeout=10).raise_for_status()
            return status.json()["store_full"] is not None
        return False

    # The daemon

    def look(self) -> int:
        """Notes what the daemon says of its partitions; how many events it has."""
        try:
            status = httpx.get(f"{self.daemon.url}/api/status", timeout=10).json()
        except (httpx.HTTPError, ValueError):
            return 0
        self.now_at: dict[tuple[str, int], int] = {}
        self.sight: dict[tuple[str, int], int] = {}
        for source in status["sources"]:
            for part in source["partitions"]:
                place = part["topic"], part["partition"]
                self.now_at[place] = part["position"]
                self.looks_behind += part["position"] < (part["high_watermark"] or 0)
                if not part["complete_to"]:
                    continue
                complete_to = parse_time(part["complete_to"])
                assert complete_to is not None
                self.sight[place] = complete_to
                # Of a topic that is made anew nobody can say which one is meant.
                if self.clock_is_right and part["topic"] != self.topics.remade:
                    self.spells[-1].said[place].append((part["position"], complete_to))
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

            try:
                await eventually(has_stored_more, patience=120)
            except AssertionError:
                raise AssertionError(f"nothing is stored: {self.daemon.tail()}") from None
            await asyncio.sleep(self.chance.uniform(0, 0.5))
        self.daemon.kill()
        self.daemon.start()

    async def run(self, kills: int) -> None:
        """All that happens, spread among the kills."""
        happens: list[Callable[[], Awaitable[None]]] = [
            happening
            for wanted, happening in (
                (self.bus, self.lose_the_broker),
                (self.disk, self.fill_up),
                (self.bus, self.add_partitions),
                (self.clock, self.run_ahead),
                (self.bus, self.make_anew),
                (self.clock, self.set_right),
                (self.bus, self.lose_the_broker),
                (self.clock, self.fall_behind),
                (self.disk, self.fill_up),
                (self.clock, self.set_right),
                (self.bus, self.pass_the_tap),
                (self.disk, self.fill_up_later),
            )
            if wanted
        ]
        every = kills // (len(happens) + 1)
        for number in range(1, kills + 1):
            await self.kill()
            if number % every == 0 and happens:
                await happens.pop(0)()
        assert not happens


def no_room(daemon: DaemonProcess) -> list[str]:
    """What its log has of a full disk."""
    return [line for line in daemon.log.read_text().splitlines() if "no room on" in line]


def in_checkpoint(line: str) -> bool:
    return "checkpoint" in line


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
    broker: Broker,
    admin: AIOKafkaAdminClient,
    folder: Path,
    seed: int,
    kills: int,
    *,
    bus: bool = True,
    clock: Clock | None = None,
    disk: Disk | None = None,
) -> dict[str, int]:
    """Runs the scenario and compares; what was compared."""
    topics = Topics(f"once-{seed}")
    (folder / "clean").mkdir(parents=True)
    with (
        Receiver() as receiver,
        DaemonProcess(
            folder, broker.bootstrap, f"{topics.prefix}.*", RULES, receiver.url, NAMES,
            environment=None if clock is None else clock.environment(),
            store=None if disk is None else disk.folder / f"{seed}.duckdb",
        ) as daemon,
    ):  # fmt: skip
        scenario = Scenario(broker, admin, daemon, topics, seed, bus, clock, disk)
        await scenario.create(topics.orders, PARTITIONS)
        for topic in (topics.deep, topics.bulky):
            await scenario.create(topic, 1)
        for topic in (topics.growing, topics.remade, topics.short):
            await scenario.create(topic, 2)
        for topic in (topics.remade, topics.short):
            await scenario.write(topic, 40)
        traffic = Traffic(broker.bootstrap, topics.orders, PARTITIONS, topics.growing, seed)
        async with traffic.flowing():
            await scenario.run(kills)
        scenario.look()
        now = await settled(daemon)
        stored = Stored.of(daemon.store)
        on_bus = {topic: await scenario.read(topic) for topic in scenario.partitions}

        # None lost, none twice, none changed.
        whole = (topics.orders, topics.growing, topics.deep, topics.bulky)
        missed = sum(
            len(payloads(on_bus[topic]).keys() - kept_of_it.keys())
            for topic in whole
            for kept_of_it in stored.incarnations(topic)[:1]
        )
        assert missed == 0
        assert stored.twice() == 0
        for topic in whole:
            assert stored.incarnations(topic) == (
                [payloads(on_bus[topic])] if on_bus[topic] else []
            )
        before = scenario.before
        remade = [before[topics.remade]] if topics.remade in before else []
        assert stored.incarnations(topics.remade) == [
            payloads(records) for records in (*remade, on_bus[topics.remade])
        ]
        # What retention took is missing, is a gap, and is all of it.
        was, lost = before.get(topics.short, on_bus[topics.short]), scenario.gaps
        kept = [
            record
            for record in was
            if not any(p == record.partition and a <= record.offset < b for _, p, a, b in lost)
        ]
        assert (len(kept) < len(was)) == bus
        assert stored.incarnations(topics.short) == [payloads(kept)]
        found = {(g.topic, g.partition, g.from_offset, g.to_offset) for g in stored.gaps}
        assert found == lost
        assert len(stored.gaps) == len(lost), "no gap is recorded twice"
        # Sight never went back, and never further than what had been read.
        seen_of = [record for topic in whole for record in on_bus[topic]]
        for spell in scenario.spells:
            assert spell.went_back() == []
            assert spell.beyond(seen_of) == []
        looks = sum(len(said) for spell in scenario.spells for said in spell.said.values())

        # A daemon that nobody kills reads the same in one go, and finds the same.
        found_alike = (f"{topics.prefix}.*", f"!{topics.bulky}")  # nothing is found in that one
        with DaemonProcess(
            folder / "clean", broker.bootstrap, found_alike, RULES, receiver.url, NAMES
        ) as clean:
            await settled(clean)
        settled_findings = findings(daemon.store, now)
        assert settled_findings == findings(clean.store, now)

    # Nothing of this was compared with nothing.
    assert daemon.kills >= kills
    assert min(traffic.aborted, traffic.committed, len(settled_findings), looks) > 10
    for topic in (topics.orders, topics.growing):
        parts = {record.partition for record in on_bus[topic]}
        assert parts == set(range(scenario.partitions[topic]))
    if disk is not None:
        said = no_room(daemon)
        assert 0 < sum(map(in_checkpoint, said)) < len(said), said
    assert (scenario.looks_behind > 10) or not bus
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
        "looks_behind": scenario.looks_behind,
        "clock_set": 0 if clock is None else clock.jumps,
        "disk_full": 0 if disk is None else disk.fills,
    }
