"""Verdicts on consumers of a real Kafka: one broker, and a group for each way to go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from analyzer.consumers.course import courses
from analyzer.consumers.verdict import TIMES, Verdict, usual, verdict
from collector.consumers.observation import WatchRow
from demo.broker import Broker
from tests.bus.groups import Watching, rebalancing_for_ever
from tests.bus.new_protocol import Member

EVERY_S = 1.0
WARM_LOOKS, PATIENCE_S = 6, 90
SESSION_US = 5_000_000
"""Sooner than this nobody who was killed is out of his group."""
HEALTHY = (
    "healthy", "healthy-new", "assigned", "constant-lag", "markers", "quiet", "slow-topic",
)  # fmt: skip
FAULTS: dict[str, tuple[str, ...]] = {
    "stopped": ("stopped",),
    "killed": ("stuck", "stopped"),
    "stuck": ("stuck",),
    "stuck-classic": ("stuck",),
    "recommits": ("stuck",),
    "half-stuck": ("stuck",),
    "growing": ("growing",),
    "rewound": ("rewound",),
    "regained": ("rewound",),
    "rebalancing": ("rebalancing",),
    "recreated": ("recreated",),
    "beyond": ("recreated",),
    "hung": ("producer_hung",),
    "empty-behind": ("stopped",),
}
"""By group: what is said of it, in this order, from its fault on."""
FEW = {"quiet": 3, "slow-topic": 1, "beyond": 2, "markers": 0, "hung": 2, "recreated": 3}
"""Groups whose topics get records so many times, and then none."""
COMMITTED = 3
"""So many different offsets, and it is known what is usual for a group."""


@dataclass
class Said:
    moment: int
    verdict: Verdict
    usual: int
    every: int
    commits: int


@dataclass
class Scene:
    """Every group has a topic that is called like it."""

    bootstrap: str
    prefix: str
    producer: AIOKafkaProducer
    produced: dict[tuple[str, int], int] = field(default_factory=dict)
    faulty: asyncio.Event = field(default_factory=asyncio.Event)
    said: dict[tuple[str, int], list[Said]] = field(default_factory=dict)
    fault_at: int = 0

    def name(self, group: str) -> str:
        return f"{self.prefix}-{group}"

    def end(self, group: str, partition: int = 0) -> int:
        return self.produced.get((group, partition), 0)

    async def produce(self, group: str, count: int, partition: int = 0) -> None:
        for _ in range(count):
            await self.producer.send(self.name(group), b"{}", partition=partition)
        await self.producer.flush()
        self.produced[group, partition] = self.end(group, partition) + count

    def words(self, group: str, partition: int = 0) -> list[Said]:
        return self.said.get((group, partition), [])


@pytest.fixture
async def scene(broker: Broker) -> AsyncIterator[Scene]:
    prefix = f"v{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    topics = [
        NewTopic(f"{prefix}-{group}", 2 if group == "half-stuck" else 1, 1)
        for group in (*HEALTHY, *FAULTS)
    ]
    answer = await admin.create_topics(topics)
    assert [error[1] for error in answer.topic_errors] == [0] * len(topics)
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    yield Scene(broker.bootstrap, prefix, producer)
    await producer.stop()
    await admin.close()


@pytest.mark.parametrize("commits", ["admin", "offsets_topic"])
async def test_whatever_becomes_of_a_consumer_its_verdict_says_so(
    scene: Scene, figures: Callable[..., None], commits: str
) -> None:
    parts: list[Awaitable[None]] = [
        records(scene),
        *(aiokafka_group(scene, group) for group in ("healthy", "stopped", "stuck-classic")),
        killed(scene),
        *(new_group(scene, group) for group in NEW),
        assigned(scene, "assigned"),
        assigned(scene, "empty-behind"),
        assigned(scene, "recreated"),
        markers(scene),
        hung(scene),
        rebalancing(scene),
    ]
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        async with Watching(
            scene.bootstrap, f"{scene.prefix}-*", every=f"{EVERY_S}s", commits=commits
        ) as watching:
            await look_on(scene, watching, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    told: dict[str, str] = {}
    for group, words in FAULTS.items():
        partition = 1 if group == "half-stuck" else 0
        said, last = tuple(said_of(scene, group, partition)), scene.words(group, partition)[-1]
        told[group] = " ".join(said)
        if group == "killed" and TIMES * last.usual > SESSION_US:
            words = words[-len(said) :]  # it was out of the group before it could be called stuck
        assert words == said, (group, last)
        told_in_time(scene, group, partition)
    for group in HEALTHY:
        assert said_of(scene, group, 0) in (["ok"], []), (group, told_otherwise(scene, group))
        assert scene.words(group)
    assert {one.verdict.word for one in scene.words("half-stuck", 0)} == {"ok"}
    figures(verdicts=told)


def said_of(scene: Scene, group: str, partition: int) -> list[str]:
    """What was said from the fault on, each word once; before, and until it is told, all is ok."""
    found: list[str] = []
    for one in scene.words(group, partition):
        word = one.verdict.word
        if one.moment < scene.fault_at or (word == "ok" and not found and group in FAULTS):
            assert word == "ok", (group, one)
        elif not found or found[-1] != word:
            found.append(word)
    return found


def told_otherwise(scene: Scene, group: str) -> list[Said]:
    return [one for one in scene.words(group) if one.verdict.word != "ok"]


def told_in_time(scene: Scene, group: str, partition: int) -> None:
    """Within three of its intervals from when it began to be so, by the moments of the looks; slow
    growth, which is told by four commits, within four."""
    words = scene.words(group, partition)
    for number, one in enumerate(words):
        if one.verdict.word in ("stuck", "stopped", "growing"):
            times = TIMES + (one.verdict.word == "growing")
            looks = one.moment - words[number - 1].moment
            late = one.moment - one.verdict.since
            if words[number - 1].verdict.word == "ok":
                assert late <= times * one.usual + 2 * max(looks, one.every), (group, one)
            return


async def look_on(scene: Scene, watching: Watching, tasks: list[asyncio.Future[None]]) -> None:
    """Until everything that is to be said was said of everybody, and a while after."""
    deadline, looks = time.monotonic() + PATIENCE_S, 0
    while time.monotonic() < deadline:
        await watching.poll()
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                task.result()
        note(scene, watching)
        looks += 1
        everybody = {g for g, _ in scene.said} >= {*HEALTHY, *FAULTS} - {"rebalancing"}
        if looks >= WARM_LOOKS and everybody and not scene.faulty.is_set() and warm(scene):
            scene.fault_at = watching.watches[-1].moment
            scene.faulty.set()
        if scene.faulty.is_set() and all(
            scene.words(g, g == "half-stuck")
            and scene.words(g, g == "half-stuck")[-1].verdict.word == words[-1]
            for g, words in FAULTS.items()
        ):
            return


def warm(scene: Scene) -> bool:
    """Everybody has committed a few times, and so it is known what is usual."""
    last = {
        group: scene.words(group)[-1]
        for group in ("healthy", "stopped", "stuck-classic", "killed", *NEW)
        if scene.words(group)
    }
    return all(
        one.verdict.word == "ok" and (group in FEW or one.commits >= COMMITTED)
        for group, one in last.items()
    )


def note(scene: Scene, watching: Watching) -> None:
    watch: WatchRow = watching.watches[-1]
    for course in courses([watch], watching.groups, watching.commits, watching.ends):
        group = course.group.removeprefix(f"{scene.prefix}-")
        if course.end is None and (group, course.place.partition) not in scene.said:
            continue  # of a topic that is new its end may be seen a look later
        one = Said(course.now, verdict(course), usual(course), course.every, len(course.commits))
        scene.said.setdefault((group, course.place.partition), []).append(one)


# Who does what


async def records(scene: Scene) -> None:
    """Some for everybody, again and again; for some a few, or none any more."""
    turn = 0
    await scene.produce("constant-lag", 16)
    while True:
        for group in (*HEALTHY, *FAULTS):
            if group in FEW and (turn >= FEW[group] and not (group == "slow-topic" and
                                                             turn % 12 == 0)):  # fmt: skip
                continue
            for partition in (0, 1) if group == "half-stuck" else (0,):
                await scene.produce(group, 4, partition)
        turn += 1
        await asyncio.sleep(0.5)


async def aiokafka_group(scene: Scene, group: str) -> None:
    """A classic one, that leaves when it is stopped, and when it is stuck stays and commits no
    more."""
    consumer = AIOKafkaConsumer(
        scene.name(group), bootstrap_servers=scene.bootstrap, group_id=scene.name(group),
        auto_offset_reset="earliest", enable_auto_commit=group != "stuck-classic",
        auto_commit_interval_ms=1_000,
    )  # fmt: skip
    await consumer.start()
    try:
        while group == "healthy" or not scene.faulty.is_set():
            await consumer.getmany(timeout_ms=100)
            if group == "stuck-classic":
                await consumer.commit()
        if group == "stuck-classic":
            await asyncio.Event().wait()
    finally:
        await consumer.stop()
    await asyncio.Event().wait()


async def killed(scene: Scene) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bus.killed_consumer", scene.bootstrap,
         scene.name("killed"), scene.name("killed")]
    )  # fmt: skip
    try:
        await scene.faulty.wait()
    finally:
        process.kill()
        process.wait()
    await asyncio.Event().wait()


Acts = Callable[[Scene, str, Member, int], Awaitable[None]]


async def up_to_date(scene: Scene, group: str, member: Member, turn: int) -> None:
    await member.commit({0: scene.end(group)})


async def no_more(scene: Scene, group: str, member: Member, turn: int) -> None:
    if not scene.faulty.is_set():
        await member.commit({0: scene.end(group)})


class Remembering:
    """What it committed when the fault began."""

    def __init__(self) -> None:
        self.then: dict[str, int] = {}

    def at_fault(self, scene: Scene, group: str, partition: int = 0) -> int:
        return self.then.setdefault(f"{scene.name(group)}-{partition}", scene.end(group, partition))


THEN = Remembering()


async def again(scene: Scene, group: str, member: Member, turn: int) -> None:
    faulty = scene.faulty.is_set()
    await member.commit({0: THEN.at_fault(scene, group) if faulty else scene.end(group)})


async def half(scene: Scene, group: str, member: Member, turn: int) -> None:
    offsets = {0: scene.end(group, 0)}
    if not scene.faulty.is_set():
        offsets[1] = scene.end(group, 1)
    await member.commit(offsets)


async def slower(scene: Scene, group: str, member: Member, turn: int) -> None:
    end = scene.end(group)
    if scene.faulty.is_set():
        then = THEN.at_fault(scene, group)
        end = then + (end - then) // 2
    await member.commit({0: end})


async def behind(scene: Scene, group: str, member: Member, turn: int) -> None:
    await member.commit({0: max(0, scene.end(group) - 16)})


async def back(scene: Scene, group: str, member: Member, turn: int) -> None:
    """Reads on from the beginning, slowly; or at once where it regains what it had."""
    end = scene.end(group)
    if scene.faulty.is_set():
        began = THEN.then.setdefault(f"{scene.name(group)}-turn", turn)
        end = min(end, turn - began) if group == "rewound" or turn == began else end
    await member.commit({0: end})


async def beyond(scene: Scene, group: str, member: Member, turn: int) -> None:
    await member.commit({0: 5_000 if scene.faulty.is_set() else scene.end(group)})


NEW: dict[str, Acts] = {
    "healthy-new": up_to_date, "quiet": up_to_date, "slow-topic": up_to_date,
    "constant-lag": behind, "stuck": no_more, "recommits": again, "half-stuck": half,
    "growing": slower, "rewound": back, "regained": back, "beyond": beyond,
}  # fmt: skip
"""Groups of the new protocol, by what they commit."""


async def new_group(scene: Scene, group: str) -> None:
    async with Member(scene.bootstrap, scene.name(group), scene.name(group)) as member:
        turn = 0
        while True:
            await NEW[group](scene, group, member, turn)
            turn += 1
            await asyncio.sleep(EVERY_S)


async def assigned(scene: Scene, group: str) -> None:
    """No member of anything: it commits under a name."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=scene.bootstrap, group_id=scene.name(group), enable_auto_commit=False
    )
    await consumer.start()
    try:
        at = TopicPartition(scene.name(group), 0)
        consumer.assign([at])
        while not (scene.faulty.is_set() and group != "assigned"):
            await consumer.commit({at: scene.end(group)})
            await asyncio.sleep(EVERY_S)
        if group == "recreated":
            old = scene.end(group)
            await make_anew(scene, group)
            while True:
                # What a consumer that does not notice goes on to commit.
                with contextlib.suppress(Exception):
                    await consumer.commit({at: old})
                await asyncio.sleep(EVERY_S)
        await asyncio.Event().wait()
    finally:
        await consumer.stop()


async def make_anew(scene: Scene, group: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=scene.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([scene.name(group)])
        while True:
            answer = await admin.create_topics([NewTopic(scene.name(group), 1, 1)])
            if answer.topic_errors[0][1] == 0:
                return
            await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def markers(scene: Scene) -> None:
    """What a consumer commits that counts records: the marker behind the last one is left."""
    producer = AIOKafkaProducer(
        bootstrap_servers=scene.bootstrap, transactional_id=scene.name("markers")
    )
    await producer.start()
    try:
        async with Member(scene.bootstrap, scene.name("markers"), scene.name("markers")) as member:
            for number in range(3):
                async with producer.transaction():
                    await producer.send_and_wait(scene.name("markers"), b"{}", partition=0)
                await member.commit({0: 2 * number + 1})
                await asyncio.sleep(EVERY_S)
            await asyncio.Event().wait()
    finally:
        await producer.stop()


async def hung(scene: Scene) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=scene.bootstrap, transactional_id=scene.name("hung")
    )
    await producer.start()
    try:
        async with Member(scene.bootstrap, scene.name("hung"), scene.name("hung")) as member:
            while not scene.faulty.is_set():
                await member.commit({0: scene.end("hung")})
                await asyncio.sleep(EVERY_S)
            end = scene.end("hung")
            await producer.begin_transaction()
            await producer.send_and_wait(scene.name("hung"), b"{}", partition=0)
            await scene.produce("hung", 5)
            while True:
                await member.commit({0: end})
                await asyncio.sleep(EVERY_S)
    finally:
        with contextlib.suppress(Exception):
            await producer.abort_transaction()
        await producer.stop()


async def rebalancing(scene: Scene) -> None:
    """It commits, and then rebalances for ever."""
    group = scene.name("rebalancing")
    alone = AIOKafkaConsumer(
        bootstrap_servers=scene.bootstrap, group_id=group, enable_auto_commit=False
    )
    await alone.start()
    try:
        at = TopicPartition(group, 0)
        alone.assign([at])
        while not scene.faulty.is_set():
            await alone.commit({at: scene.end("rebalancing")})
            await asyncio.sleep(EVERY_S)
        async with rebalancing_for_ever(scene.bootstrap, group):
            await asyncio.Event().wait()
    finally:
        await alone.stop()
