"""Why, where nothing was published: nobody does it, or what was published was aborted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from demo.broker import Broker
from tests.bus.groups import consuming
from tests.bus.test_sight import eventually, findings_of, later, send
from tests.bus.test_why_beyond import Scene, a_scene

RULES = """\
version: 1
flow: order
begins: order.created
services:
  payment: {group: GROUP, consumes: order.created, emits: payment.authorized}
expectations:
  - {name: paid, after: order.created, expect: payment.authorized, within: 4s, grace: 1s}
  - {name: surveyed, after: order.created, expect: survey.sent, within: 4s, grace: 1s}
  - {name: by two, together: [order.created, survey.sent], within: 4s, grace: 1s}
"""
NAMES = """\
    topics:
      "*.surveys": {names: [survey.sent]}
      "*.payments": {names: [payment.authorized]}
"""


@pytest.fixture
async def scene(broker: Broker, topic_name: str, tmp_path: Path) -> AsyncIterator[Scene]:
    topics = ("orders", "payments", "surveys")
    async with a_scene(broker, topic_name, tmp_path, RULES, topics, NAMES) as found:
        yield found


async def test_why_tells_what_nobody_publishes_from_what_was_published_and_aborted(
    scene: Scene,
) -> None:
    """One service takes orders in, and nobody is declared who makes surveys of them. Another one
    answers in transactions, all of which are aborted: with its offsets in them, and without."""
    orders = TopicPartition(scene.orders, 0)
    producer = AIOKafkaProducer(
        bootstrap_servers=scene.broker.bootstrap, transactional_id=f"{scene.prefix}-payment"
    )
    await producer.start()
    async with (
        consuming(scene.broker.bootstrap, f"{scene.prefix}-survey", scene.orders) as survey,
        consuming(scene.broker.bootstrap, scene.prefix, scene.orders) as payment,
    ):
        await scene.order("beside")
        await payment.getone()
        await payment.commit({orders: 0})
        await eventually(lambda: scene.verdict() is not None)
        await producer.begin_transaction()
        await send(producer, scene.payments, "payment.authorized", "beside")
        await payment.commit({orders: 1})
        hidden = await scene.until_why("beside", "hidden")
        assert kinds(hidden) == ["cause", "consumer", "open_transaction"]
        await producer.abort_transaction()
        answer = await scene.until_why("beside", "swallowed")
        assert (answer["confidence"], kinds(answer)) == ("likely", ["cause", "consumer"])
        assert "nothing came out of payment" in answer["text"]
        assert "was seen to its deadline and beyond" in ruled_out(answer)["hidden"]

        await scene.order("within")
        await payment.getone()
        await producer.begin_transaction()
        await send(producer, scene.payments, "payment.authorized", "within")
        await producer.send_offsets_to_transaction({orders: 2}, scene.prefix)
        await producer.abort_transaction()
        for _ in range(2):
            await survey.getone()
        await survey.commit()
        await eventually(lambda: committed(scene, f"{scene.prefix}-survey") == 2)
        answer = await scene.until_why("within", "never_published", "surveyed")
        (cause, sight), text = answer["evidence"], answer["text"]
        assert (answer["confidence"], kinds(answer)) == ("possible", ["cause", "sight"])
        assert (cause["topic"], cause["offset"]) == (scene.orders, 1)
        assert sight["complete_to"] > later(cause["time"], 5)
        assert text.startswith("no survey.sent was published, and nobody is declared")
        assert text.endswith(f"makes it of order.created ({scene.orders}-0@1)")
        assert "nobody is declared" in ruled_out(answer)["swallowed"]
        answer = await scene.until_why("within", "never_published", "by two")
        assert (answer["confidence"], kinds(answer)) == ("likely", ["sight"])
        # Its offset was taken back with what came of it: it waits, and was not swallowed.
        answer = await scene.until_why("within", "stalled")
        assert answer["confidence"] == "certain"
        assert "does not get past this very event" in answer["text"]
    found = findings_of(scene.daemon, "beside") + findings_of(scene.daemon, "within")
    assert found == [("missing", "open")] * 6
    await producer.stop()


def kinds(answer: dict[str, Any]) -> list[str]:
    return [one["kind"] for one in answer["evidence"]]


def ruled_out(answer: dict[str, Any]) -> dict[str, str]:
    return {one["verdict"]: one["why"] for one in answer["ruled_out"]}


def committed(scene: Scene, group: str) -> int | None:
    items = scene.daemon.ask("/api/consumers")["items"]
    return next((one["committed"] for one in items if one["group"] == group), None)
