"""The contract of every row of the table of sinks, and the Kafka sink on a real broker."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord

from analyzer.notification import Notification
from analyzer.settings import AlertSettings
from analyzer.sinks.sink import NotDelivered, Refused, Sink
from analyzer.sinks.table import KINDS, make_sinks
from collector.errors import ConfigurationError
from demo.broker import Broker, free_port
from nonevent.clock import clock
from tests.analyzer.sinks.receiver import receiver
from tests.analyzer.sinks.told import resolved, told
from tests.bus.conftest import CreateTopic

ODD = "ünï\x00\n\r\t\x1b[31m \u202e {{ 1 // 0 }} {% for %} \\ \" ' <b>& 🎉"
EVERYTHING = [
    told(),
    told(2, change="more", new=1, count=4),
    told(3, change="again", new=0),
    resolved(4),
    told(5, type="nonevent", expectation="blind", about="orders-3", count=0, new=0, oldest=None,
         findings=(), also=(), runbook=None, labels={}),
    told(6, text=ODD, oldest=ODD, labels={ODD: ODD}, expectation=ODD, merged=9),
    told(7, text="x" * 20_000, also=told().also * 200,
         findings=tuple({"flow": f"{'y' * 500}{n}"} for n in range(20))),
]  # fmt: skip


@asynccontextmanager
async def sink_of(kind: str, settings: dict[str, Any]) -> AsyncIterator[Sink]:
    sinks = make_sinks(AlertSettings.model_validate({"sinks": {"one": {kind: settings}}}), clock)
    try:
        yield sinks["one"]
    finally:
        await sinks["one"].close()


def rows(url: str, bootstrap: str, topic: str) -> dict[str, dict[str, Any]]:
    """Settings of every kind, for one at this address."""
    return {
        "log": {},
        "webhook": {"url": url, "timeout": 5},
        "alertmanager": {"urls": [url], "timeout": 5},
        "kafka": {"bootstrap": bootstrap, "topic": topic, "timeout": 5},
        "apprise": {"urls": [url.replace("http://", "json://")], "timeout": 20},
    }


def test_every_kind_has_a_row_here() -> None:
    assert rows("", "", "").keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_sink_takes_whatever_is_told_and_says_what_was_answered(
    kind: str, broker: Broker, create_topic: CreateTopic, caplog: pytest.LogCaptureFixture
) -> None:
    topic = await create_topic()
    with receiver() as server:
        async with sink_of(kind, rows(server.url, broker.bootstrap, topic)[kind]) as sink:
            for one in EVERYTHING:
                assert await sink.deliver(one)
    got = {
        "log": [one for one in caplog.records if one.name == "nonevent.alerts"],
        "kafka": await records(broker, topic) if kind == "kafka" else [],
    }.get(kind, server.taken)
    assert len(got) == len(EVERYTHING)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"log"}))
async def test_a_sink_that_is_away_is_not_delivered_to_until_it_is_there(
    kind: str, topic_name: str
) -> None:
    port = free_port()
    settings = rows(f"http://127.0.0.1:{port}/x", f"127.0.0.1:{port}", topic_name)[kind]
    async with sink_of(kind, settings | {"timeout": 2}) as sink:
        for _ in range(2):
            with pytest.raises(NotDelivered) as failure:
                await sink.deliver(told())
            assert not isinstance(failure.value, Refused)
            assert str(failure.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_sink_can_be_closed_unused_and_twice(kind: str) -> None:
    async with sink_of(kind, rows("http://127.0.0.1:9/x", "127.0.0.1:9", "t")[kind]) as sink:
        await sink.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_sink_has_one_kind(kind: str) -> None:
    settings = rows("http://127.0.0.1:9/x", "127.0.0.1:9", "t")
    other = "log" if kind != "log" else "webhook"
    for wrong in ({}, {kind: settings[kind], other: settings[other]}, {kind: None}):
        with pytest.raises(ValueError, match="a sink needs exactly one of `log:`"):
            AlertSettings.model_validate({"sinks": {"one": wrong}})


# Kafka


async def records(broker: Broker, topic: str) -> list[ConsumerRecord]:
    """All that is on a topic, partition by partition."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        parts = sorted(consumer.assignment())
        assert parts
        ends = await consumer.end_offsets(parts)
        found: list[ConsumerRecord] = []
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += batch
        return found
    finally:
        await consumer.stop()


async def test_a_subscriber_gets_binary_cloudevents_keyed_by_alert(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic(partitions=3)
    settings = {"bootstrap": broker.bootstrap, "topic": topic}
    async with sink_of("kafka", settings) as sink:
        for n in range(1, 31):
            said = await sink.deliver(told(n, fingerprint=f"alert-{n % 3}"))
            assert said.startswith("partition ")
    found = await records(broker, topic)
    assert len(found) == 30
    of_alert: dict[bytes, list[str]] = {}
    for record in found:
        headers = {key: value.decode() for key, value in record.headers}
        body = msgspec.json.decode(record.value, type=Notification)
        assert record.key == body.fingerprint.encode()
        assert headers == {
            "ce_specversion": "1.0",
            "ce_id": body.id,
            "ce_source": "/nonevent/order/paid",
            "ce_type": "nonevent.alert.firing",
            "ce_subject": body.fingerprint,
            "ce_time": body.moment,
            "ce_partitionkey": body.fingerprint,
            "content-type": "application/json",
        }
        of_alert.setdefault(record.key, []).append(body.id)
    assert len(of_alert) == 3
    assert all(ids == sorted(ids) for ids in of_alert.values())


async def test_a_subscriber_can_have_structured_ones(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic()
    settings = {"bootstrap": broker.bootstrap, "topic": topic, "mode": "structured"}
    async with sink_of("kafka", settings) as sink:
        await sink.deliver(resolved())
    (record,) = await records(broker, topic)
    assert dict(record.headers) == {"content-type": b"application/cloudevents+json"}
    event = json.loads(record.value)
    assert event["type"] == "nonevent.alert.resolved"
    assert msgspec.convert(event["data"], Notification) == resolved()


async def test_what_the_broker_finds_too_large_is_a_refusal(
    broker: Broker, create_topic: CreateTopic
) -> None:
    topic = await create_topic(max_message_bytes="5000")
    async with sink_of("kafka", {"bootstrap": broker.bootstrap, "topic": topic}) as sink:
        with pytest.raises(Refused):
            await sink.deliver(told(text="x" * 10_000))
        assert await sink.deliver(told(2))
    assert len(await records(broker, topic)) == 1


async def test_a_broker_that_went_and_came_back_is_told_in_order_and_each_once(
    topic_name: str,
) -> None:
    broker = Broker()
    broker.start()
    try:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(topic_name, 1, 1)])
        await admin.close()
        settings = {"bootstrap": broker.bootstrap, "topic": topic_name, "timeout": 2}
        async with sink_of("kafka", settings) as sink:
            await eventually(lambda: sink.deliver(told(1)))
            broker.kill()
            with pytest.raises(NotDelivered):
                await sink.deliver(told(2))
            broker.start()
            await eventually(lambda: sink.deliver(told(2)))
            await sink.deliver(told(3))
        ids = [json.loads(one.value)["id"] for one in await records(broker, topic_name)]
        assert ids == ["n-000001", "n-000002", "n-000003"]
    finally:
        broker.stop()


async def eventually(deliver: Callable[[], Awaitable[str]]) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await deliver()
                return
            except NotDelivered:
                await asyncio.sleep(0.2)


def test_files_that_cannot_be_used_are_told_with_their_place() -> None:
    kafka = {"bootstrap": "h:1", "topic": "t", "tls": {"ca": "/nowhere.pem"}}
    sinks = {"pager": {"webhook": {"url": "http://h", "tls": {"ca": "/nowhere.pem"}}}}
    for one in ({"out": {"kafka": kafka}}, sinks):
        ((name, kind),) = ((name, next(iter(found))) for name, found in one.items())
        with pytest.raises(ConfigurationError, match=f"alerts.sinks.{name}.{kind}.tls.ca: "):
            make_sinks(AlertSettings.model_validate({"sinks": one}), clock)


@pytest.fixture(autouse=True)
def _all_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
