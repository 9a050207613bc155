"""Commits exactly and in time, out of the topic in which a real Kafka keeps them."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, UnsupportedCodecError
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest

from collector.consumers import kafka_commits
from collector.consumers.commit_log import CommitLog
from collector.consumers.kafka_tails import Tails
from collector.consumers.observation import CommitRow, Known, Place
from collector.times import US_PER_MS
from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.bus.groups import Watching, consuming, send
from tests.bus.new_protocol import Member

BETWEEN_LOOKS = 0.03
"""Seconds: many times shorter than from look to look."""


def now() -> int:
    return time.time_ns() // 1000


def exactly(bootstrap: str, *groups: str, **more: Any) -> Watching:
    return Watching(bootstrap, *groups, every="1s", commits="offsets_topic", **more)


def passed(rows: Iterable[CommitRow], group: str, partition: int = 0) -> list[CommitRow]:
    """One row for each time that something else was committed, in the order of the rows."""
    found: list[CommitRow] = []
    for row in rows:
        same = found and (found[-1].committed, found[-1].since) == (row.committed, row.since)
        if (row.group, row.partition) == (group, partition) and not same:
            found.append(row)
    return found


class Committing:
    """Remembers of each commit between which moments it was made."""

    def __init__(self) -> None:
        self.made: list[tuple[int, int, int]] = []

    async def __call__(self, consumer: Any, place: TopicPartition, offset: int) -> None:
        before = now()
        await consumer.commit({place: offset})
        self.made.append((offset, before, now()))
        await asyncio.sleep(BETWEEN_LOOKS)

    def are_told_by(self, rows: list[CommitRow]) -> None:
        """Each of them, with a moment that lies within those: to the ms, as Kafka tells it."""
        assert [row.committed for row in rows] == [offset for offset, _, _ in self.made]
        for row, (_, begun, done) in zip(rows, self.made, strict=True):
            assert row.before is not None
            assert row.before >= begun - US_PER_MS
            assert row.since <= done + 2 * US_PER_MS
            assert 0 < row.since - row.before <= 2 * US_PER_MS
        for earlier, later in itertools.pairwise(rows):
            assert earlier.since < later.since
            assert earlier.moment < later.moment


async def test_each_commit_between_two_looks_is_seen_with_its_moment(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic()
    place, commit = TopicPartition(topic, 0), Committing()
    await send(broker.bootstrap, topic, 40)
    async with (
        consuming(broker.bootstrap, topic, topic) as one,
        exactly(broker.bootstrap, topic) as watching,
        Watching(broker.bootstrap, topic, every="1s") as polling,
    ):
        await one.commit({place: 0})
        for watch in (watching, polling):
            await watch.until(lambda w=watch: w.committed(topic) == {Place(topic, 0): 0})  # type: ignore[misc]
            await watch.poll()
        known = len(watching.commits), len(polling.commits)
        for offset in (10, 20, 5, 40):  # it went back, and regained that
            await commit(one, place, offset)
        await asyncio.gather(watching.poll(), polling.poll())
    commit.are_told_by(passed(watching.commits[known[0] :], topic))
    # Asking alone saw none but the last.
    assert [row.committed for row in passed(polling.commits[known[1] :], topic)] == [40]


async def test_groups_of_the_new_protocol_and_new_groups_are_seen_so_too(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic()
    group = f"{topic}-new"
    await send(broker.bootstrap, topic, 40)
    async with exactly(broker.bootstrap, group) as watching:
        await watching.poll()
        await watching.poll()
        async with Member(broker.bootstrap, group, topic) as member:
            await watching.poll()
            begun = now()
            for offset in (10, 20):
                await member.commit({0: offset})
                await asyncio.sleep(BETWEEN_LOOKS)
            done = now()
            await watching.poll()
    nothing, *rows = passed(watching.commits, group)
    assert nothing.committed is None
    assert [row.committed for row in rows] == [10, 20]
    for row in rows:
        assert begun - US_PER_MS <= (row.before or 0) < row.since <= done + 2 * US_PER_MS


def partition_of(group: str, partitions: int) -> int:
    """Where Kafka keeps what this group commits."""
    number = 0
    for letter in group:
        number = (31 * number + ord(letter)) % 2**32
    number -= 2**32 if number >= 2**31 else 0
    return abs(number) % partitions


async def test_what_a_transaction_commits_counts_from_its_end_on_and_hides_nothing_of_others(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic()
    place = TopicPartition(topic, 0)
    mine = f"{topic}-within"
    beside = next(
        name for name in (f"{topic}-beside-{n}" for n in range(10_000))
        if partition_of(name, 50) == partition_of(mine, 50)
    )  # fmt: skip
    await send(broker.bootstrap, topic, 40)
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic)
    await producer.start()
    async with (
        consuming(broker.bootstrap, beside, topic) as other,
        consuming(broker.bootstrap, mine, topic),
        exactly(broker.bootstrap, mine, beside) as watching,
    ):
        await producer.begin_transaction()
        await producer.send_offsets_to_transaction({place: 5}, mine)
        await producer.commit_transaction()
        await other.commit({place: 1})
        at_first = {Place(topic, 0): 5}
        await watching.until(lambda: watching.committed(mine) == at_first)
        await watching.poll()
        known = len(watching.commits)
        for offset, commits in ((10, False), (20, True)):
            await producer.begin_transaction()
            await producer.send_offsets_to_transaction({place: offset}, mine)
            await other.commit({place: offset})
            await asyncio.sleep(BETWEEN_LOOKS)
            await other.commit({place: offset + 1})
            await watching.poll()
            assert watching.committed(mine) == at_first
            assert watching.committed(beside) == {Place(topic, 0): offset + 1}
            begun = now()
            if commits:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
            await watching.poll()
        await watching.until(lambda: watching.committed(mine) == {Place(topic, 0): 20})
    await producer.stop()
    rows = watching.commits[known:]
    (ended,) = passed(rows, mine)
    # Not when it was written, which was before, but when the transaction had an end.
    assert (ended.before or 0) >= begun - US_PER_MS
    assert ended.since - (ended.before or 0) == US_PER_MS
    assert [row.committed for row in passed(rows, beside)] == [10, 11, 20, 21]


async def test_what_is_deleted_is_no_longer_committed_from_that_moment_on(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic()
    await send(broker.bootstrap, topic, 9)
    async with exactly(broker.bootstrap, topic) as watching:
        async with consuming(broker.bootstrap, topic, topic) as one:
            await one.commit({TopicPartition(topic, 0): 4})
            await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 4})
            await watching.poll()
        begun = now()
        await delete_group(broker.bootstrap, topic)
        done = now()
        await watching.poll()
        await watching.poll()
    assert watching.state(topic) == "Gone"
    last = passed(watching.commits, topic)[-1]
    assert last.committed is None
    assert begun - US_PER_MS <= (last.before or 0) < last.since <= done + 2 * US_PER_MS


async def delete_group(bootstrap: str, group: str) -> None:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        found: Any = await client.send(client.get_random_node(), FindCoordinatorRequest(group, 0))
        answer: Any = await client.send(found.coordinator_id, DeleteGroupsRequest([group]))
        assert [error for _, error in answer.results] == [0]
    finally:
        await client.close()


async def test_a_restart_goes_on_where_it_was(broker: Broker, create_topic: CreateTopic) -> None:
    """What was committed while nobody looked is told with its moment, from its second one on."""
    topic = await create_topic()
    place, commit = TopicPartition(topic, 0), Committing()
    await send(broker.bootstrap, topic, 40)
    async with consuming(broker.bootstrap, topic, topic) as one:
        async with exactly(broker.bootstrap, topic) as before:
            await one.commit({place: 1})
            await before.until(lambda: before.committed(topic) == {Place(topic, 0): 1})
        known = Known(
            before.watches[-1], tuple(before.groups[-1:]), tuple(before.commits[-1:]),
            tuple(before.ends),
        )  # fmt: skip
        for offset in (10, 20, 30):
            await commit(one, place, offset)
        async with exactly(broker.bootstrap, topic, known=known) as after:
            await after.poll()
    first, *more = passed(after.commits, topic)
    assert (first.committed, first.before) == (10, before.watches[-1].moment)
    assert first.since <= commit.made[0][2] + 2 * US_PER_MS
    commit.made.pop(0)
    commit.are_told_by(more)


async def test_a_restart_after_which_too_much_was_committed_goes_on_at_the_end(
    broker: Broker, create_topic: CreateTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = await create_topic()
    place = TopicPartition(topic, 0)
    await send(broker.bootstrap, topic, 40)
    async with consuming(broker.bootstrap, topic, topic) as one:
        async with exactly(broker.bootstrap, topic) as before:
            await one.commit({place: 1})
            await before.until(lambda: before.committed(topic) == {Place(topic, 0): 1})
        known = Known(before.watches[-1], tuple(before.groups[-1:]), tuple(before.commits[-1:]))
        for offset in (10, 20, 30):
            await one.commit({place: offset})
        monkeypatch.setattr(kafka_commits, "MOST_BYTES", 100)
        monkeypatch.setattr(kafka_commits, "BYTES", 100)
        async with exactly(broker.bootstrap, topic, known=known) as after:
            await after.poll()
            monkeypatch.undo()
            for _ in range(3):
                await after.poll()
            commit = Committing()
            await commit(one, place, 35)
            await after.poll()
    polled, exact = passed(after.commits, topic)
    # Nothing is told a second time, as if it had gone back.
    assert (polled.committed, polled.before) == (30, before.watches[-1].moment)
    commit.are_told_by([exact])


async def test_what_is_more_than_a_look_may_read_is_passed_over_and_still_polled(
    broker: Broker, create_topic: CreateTopic, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    topic = await create_topic()
    place = TopicPartition(topic, 0)
    await send(broker.bootstrap, topic, 40)
    async with (
        consuming(broker.bootstrap, topic, topic) as one,
        exactly(broker.bootstrap, topic) as watching,
    ):
        await one.commit({place: 1})
        await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 1})
        await watching.poll()
        monkeypatch.setattr(kafka_commits, "MOST_BYTES", 100)
        monkeypatch.setattr(kafka_commits, "BYTES", 100)
        for offset in (10, 20, 30):
            await one.commit({place: offset})
        looked = watching.watches[-1].moment
        await watching.poll()
        row = passed(watching.commits, topic)[-1]
        assert (row.committed, row.before) == (30, looked)
        assert "more is committed than is read" in caplog.text
        monkeypatch.undo()
        await watching.poll()
        commit = Committing()
        for offset in (35, 36):
            await commit(one, place, offset)
        known = len(watching.commits)
        await watching.poll()
        commit.are_told_by(passed(watching.commits[known:], topic))


async def test_what_was_read_by_a_look_that_failed_is_not_taken_for_unchanged(
    broker: Broker, create_topic: CreateTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = await create_topic()
    place = TopicPartition(topic, 0)

    async def fails(*_: object) -> None:
        raise KafkaConnectionError("it went away")

    await send(broker.bootstrap, topic, 40)
    async with (
        consuming(broker.bootstrap, topic, topic) as one,
        exactly(broker.bootstrap, topic) as watching,
    ):
        await one.commit({place: 1})
        await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 1})
        await watching.poll()
        looked = watching.watches[-1].moment
        await one.commit({place: 10})
        monkeypatch.setattr(Tails, "read_to_the_end", fails)
        await watching.poll()
        assert watching.watches[-1].why is not None
        monkeypatch.undo()
        await one.commit({place: 20})
        await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 20})
    # Nobody knows from the second alone when the first was passed.
    assert watching.commits[-1].before == looked


async def test_it_begins_at_the_end_and_what_cannot_be_read_is_polled(
    broker: Broker, create_topic: CreateTopic, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    topic = await create_topic()
    place = TopicPartition(topic, 0)
    given: list[int] = []
    spoilt = False
    read = CommitLog.read

    def noted(self: CommitLog, batches: bytes) -> None:
        given.append(len(batches))
        if batches and spoilt:
            raise UnsupportedCodecError("no such codec")
        read(self, batches)

    monkeypatch.setattr(CommitLog, "read", noted)
    async with consuming(broker.bootstrap, topic, topic) as one:
        await one.commit({place: 0})
        async with exactly(broker.bootstrap, topic) as watching:
            await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 0})
            # Whatever was committed before.
            assert given
            assert sum(given) == 0
            await one.commit({place: 1})
            await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 1})
            assert sum(given) > 0
            spoilt = True
            looked = watching.watches[-1].moment
            await one.commit({place: 2})
            await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 2})
            assert watching.commits[-1].before == looked
            assert "no such codec" in caplog.text


async def test_reading_commits_leaves_no_trace(broker: Broker, create_topic: CreateTopic) -> None:
    topic = await create_topic()
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    async with consuming(broker.bootstrap, topic, topic) as one:
        await one.commit({TopicPartition(topic, 0): 0})
        before = sorted(await admin.list_consumer_groups())
        async with exactly(broker.bootstrap) as watching:
            for _ in range(3):
                await watching.poll()
        assert sorted(await admin.list_consumer_groups()) == before
    await admin.close()
    assert watching.committed(topic) == {Place(topic, 0): 0}
