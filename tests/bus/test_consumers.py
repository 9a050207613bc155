"""Consumers of a real Kafka, as they are observed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import duckdb
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from collector.consumers.observation import Place
from demo.broker import Broker
from tests.bus.conftest import CreateTopic
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.groups import Watching, consuming, send
from tests.bus.new_protocol import Member
from tests.bus.reading import committed
from tests.bus.test_sight import eventually


async def test_groups_of_every_kind_are_seen_with_state_members_and_commits(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic(partitions=2)
    await send(broker.bootstrap, topic, 10, 0)
    await send(broker.bootstrap, topic, 5, 1)
    new = f"{topic}-new"
    async with Member(broker.bootstrap, new, topic) as member:
        await member.commit({0: 10, 1: 5})
        classic, simple = f"{topic}-classic", f"{topic}-simple"
        alone = AIOKafkaConsumer(
            bootstrap_servers=broker.bootstrap, group_id=simple, enable_auto_commit=False
        )
        await alone.start()
        alone.assign([TopicPartition(topic, 1)])
        await alone.commit({TopicPartition(topic, 1): 3})
        async with (
            consuming(broker.bootstrap, classic, topic) as one,
            consuming(broker.bootstrap, classic, topic) as other,
            Watching(broker.bootstrap, f"{topic}-*", f"{topic}-absent") as watching,
        ):
            await asyncio.gather(one.getmany(timeout_ms=500), other.getmany(timeout_ms=500))
            await one.commit(dict.fromkeys(one.assignment(), 4))
            await other.commit(dict.fromkeys(other.assignment(), 4))
            whole = {Place(topic, 0): 10, Place(topic, 1): 5}
            await watching.until(lambda: watching.state(classic) == "Stable")
            await watching.until(lambda: watching.committed(new) == whole)
            await watching.until(
                lambda: watching.committed(classic) == {Place(topic, 0): 4, Place(topic, 1): 4}
            )
        await alone.stop()
    found = {group: watching.group(group) for group in (classic, new, simple)}
    assert {group: row.type for group, row in found.items()} == {
        classic: "classic", new: "consumer", simple: "classic",
    }  # fmt: skip
    assert (found[classic].members, found[new].members, found[simple].members) == (2, 1, 0)
    assert found[simple].state == "Empty"
    assert watching.committed(simple) == {Place(topic, 1): 3}
    assert watching.state(f"{topic}-absent") == "Gone"
    assert {(row.partition, row.end) for row in watching.ends} == {(0, 10), (1, 5)}


async def test_what_is_observed_leaves_no_trace_on_the_bus(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic()
    await send(broker.bootstrap, topic, 10)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    async with consuming(broker.bootstrap, topic, topic) as one:
        await one.getmany(timeout_ms=500)
        await one.commit({TopicPartition(topic, 0): 4})
        before = sorted(await admin.list_consumer_groups())
        async with Watching(broker.bootstrap) as watching:
            for _ in range(10):
                await watching.poll()
        assert sorted(await admin.list_consumer_groups()) == before
        assert await committed(broker.bootstrap, topic) == {(topic, 0): 4}
    await admin.close()
    assert watching.committed(topic) == {Place(topic, 0): 4}


async def test_a_transaction_that_is_open_is_seen_with_its_producer(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic()
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic)
    await producer.start()
    async with (
        consuming(broker.bootstrap, topic, topic, isolation_level="read_committed") as one,
        Watching(broker.bootstrap, topic) as watching,
    ):
        await send(broker.bootstrap, topic, 3)
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"{}", partition=0)
        await send(broker.bootstrap, topic, 2)
        await one.commit({TopicPartition(topic, 0): 3})
        await watching.until(lambda: any(row.hung for row in watching.ends))
        held = watching.ends[-1]
        assert (held.end, held.high_watermark) == (3, 6)
        assert "since offset 3" in (held.hung or "")
        await producer.abort_transaction()
        await watching.until(lambda: watching.ends[-1].hung is None)
        assert watching.ends[-1].end == watching.ends[-1].high_watermark == 7
    await producer.stop()


async def test_a_bus_that_is_away_is_waited_for_and_share_groups_are_named_as_such(
    tmp_path: Path,
) -> None:
    with Broker(tmp_path / "kafka", format_options=("--feature", "share.version=1")) as broker:
        async with Watching(broker.bootstrap) as watching:
            await watching.until(lambda: bool(watching.watches))
            async with Member(broker.bootstrap, "shared", "work", share=True):
                await watching.until(lambda: watching.state("shared") is not None)
                shared = watching.group("shared")
            assert (shared.type, shared.members) == ("share", 1)
            assert "share group" in (shared.why or "")
            seen_to = watching.watches[-1].moment
            broker.kill()
            await watching.until(lambda: watching.watches[-1].why is not None)
            assert watching.watches[-1].moment >= seen_to
            assert watching.watch.condition().state == "connecting"
            broker.start()
            await watching.until(lambda: watching.watches[-1].why is None)
            assert watching.watches[-1].moment > seen_to


RULES = "version: 1\nflow: none\nbegins: never.seen\nexpectations: []\n"


async def test_the_history_of_commits_survives_any_kill(
    broker: Broker, create_topic: CreateTopic, tmp_path: Path
) -> None:
    """What was seen before a kill and after it is one history, without a hole or a repeat."""
    topic = await create_topic()
    await send(broker.bootstrap, topic, 50)
    with Receiver() as receiver:
        daemon = DaemonProcess(
            tmp_path, broker.bootstrap, topic, RULES, receiver.url,
            extra="",
        )  # fmt: skip
        text = daemon.configuration.read_text()
        consumers = f'start: earliest, consumers: {{every: 200ms, groups: ["{topic}"]}}'
        daemon.configuration.write_text(text.replace("start: earliest", consumers))
        async with consuming(broker.bootstrap, topic, topic) as one:
            with daemon:
                for number in range(1, 3):
                    await one.commit({TopicPartition(topic, 0): number * 10})
                    await _stored(daemon, lambda rows, n=number: rows and rows[-1] == n * 10)
                    daemon.kill()
                    daemon.start()
                await _stored(daemon, lambda rows: bool(rows))
    with duckdb.connect(str(daemon.store)) as store:
        rows = store.execute(
            'SELECT committed, since, before, moment FROM commits WHERE "group" = ? '
            "ORDER BY moment", [topic],
        ).fetchall()  # fmt: skip
        changes = [row for row in rows if row[1] == row[3]]
        assert [row[0] for row in changes] == [10, 20]
        for earlier, later in itertools.pairwise(changes):
            # When it was last seen that the earlier one stood: a start that knew nothing could not.
            assert earlier[2] is None or earlier[2] < later[2]
            assert later[2] < later[3]
        ((watches,),) = store.execute("SELECT count(*) FROM consumer_watches").fetchall()
        assert watches == 1


async def _stored(daemon: DaemonProcess, done: Callable[[list[int]], object]) -> None:
    """Waits until the daemon tells of commits like these."""
    for _ in range(600):
        items = daemon.ask("/api/consumers")["items"]
        if done([item["committed"] for item in items]):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(daemon.tail())


EXPECTED = """\
version: 1
flow: order
begins: order.created
expectations:
  - {name: taken up, handled: order.created, groups: [GROUP], within: 2s, grace: 1s}
  - {name: keeps up, lag: GROUP, at_most: 3s, for: 1s}
"""


async def test_what_a_group_does_not_handle_is_told_and_closed_when_it_does(
    broker: Broker, create_topic: CreateTopic, tmp_path: Path
) -> None:
    """A group takes the first order up, and the second one only after a kill of the daemon."""
    topic = await create_topic()
    place = TopicPartition(topic, 0)
    with Receiver() as receiver:
        daemon = DaemonProcess(
            tmp_path, broker.bootstrap, topic, EXPECTED.replace("GROUP", topic), receiver.url
        )
        text = daemon.configuration.read_text()
        consumers = f'start: earliest, consumers: {{every: 300ms, groups: ["{topic}"]}}'
        daemon.configuration.write_text(text.replace("start: earliest", consumers))
        async with consuming(broker.bootstrap, topic, topic) as one:
            await one.commit({place: 0})
            with daemon:
                await order(broker.bootstrap, topic, "ord-1")
                await one.commit({place: 1})
                await eventually(lambda: _committed(daemon) == [1])
                await order(broker.bootstrap, topic, "ord-2")
                await eventually(lambda: _standing(daemon) == {"unhandled", "lagging"})
                (unhandled,) = [f for f in daemon.findings() if f["finding"] == "unhandled"]
                assert (unhandled["flow"], unhandled["values"]) == ("ord-2", [topic])
                (lagging,) = [f for f in daemon.findings() if f["finding"] == "lagging"]
                assert (lagging["flow"], lagging["values"]) == (None, [f"{topic}-0"])
                assert "is more than 3s behind" in lagging["text"]
                before = {f["id"] for f in daemon.findings()}
                daemon.kill()
                daemon.start()
                await eventually(lambda: bool(_committed(daemon)))
                assert {f["id"] for f in daemon.findings()} == before
                await one.commit({place: 2})
                await eventually(lambda: _standing(daemon) == set())
                states = {(f["finding"], f["state"]) for f in daemon.findings()}
                assert states == {("late", "closed"), ("lagging", "closed")}
                assert {f["id"] for f in daemon.findings()} == before
        assert {one["finding"] for one in receiver.findings()} >= {"unhandled", "lagging"}


async def order(bootstrap: str, topic: str, flow: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    headers = [("type", b"order.created"), ("correlation_id", flow.encode())]
    await producer.send_and_wait(topic, b"{}", partition=0, headers=headers)
    await producer.stop()


def _committed(daemon: DaemonProcess) -> list[int | None]:
    return [item["committed"] for item in daemon.ask("/api/consumers")["items"]]


def _standing(daemon: DaemonProcess) -> set[str]:
    return {one["finding"] for one in daemon.findings() if one["state"] == "open"}
