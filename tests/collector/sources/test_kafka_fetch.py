"""Fetches by topic ID, and what comes of them. Brokers that are older than these, or that have lost
a topic, cannot be had here at will: what one answers is written down."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v11

from collector.sources.kafka_client import PatientClient
from collector.sources.kafka_fetch import FetchById, ids_of
from collector.sources.kafka_fetches import Fetches

OLD, NEW = uuid.UUID(int=1), uuid.UUID(int=2)
ORDERS, PAID = TopicPartition("orders", 0), TopicPartition("paid", 3)
ASKED = FetchRequest(200, 1, 2**20, 1, [("orders", [(0, 16, 100)]), ("paid", [(3, 7, 100)])])


def said(error: int = 0, high: int = 21) -> tuple[Any, ...]:
    return (0, error, high, high, 0, [(9, 4, {})], -1, None, {})


class Answer:
    throttle_time_ms, error_code, session_id = 0, 0, 0

    def __init__(self, *topics: tuple[uuid.UUID, list[tuple[Any, ...]]]) -> None:
        self.topics = [(id, partitions, {}) for id, partitions in topics]


@pytest.fixture
def fetches() -> Fetches:
    made = Fetches(lambda tp, error: refused.append((tp, error)))
    refused: list[tuple[TopicPartition, int]] = []
    made.refused = refused  # type: ignore[attr-defined]  # for these tests
    return made


async def asked(
    fetches: Fetches,
    monkeypatch: pytest.MonkeyPatch,
    *,
    old_broker: bool,
    answer: Any,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[Any, list[Any]]:
    sent: list[Any] = []

    async def send(self: object, node: int, request: Any, **_: object) -> Any:
        sent.append(request)
        if old_broker and isinstance(request, FetchById):
            raise NotImplementedError
        meanwhile()
        return answer

    monkeypatch.setattr(AIOKafkaClient, "send", send)
    client = PatientClient("s", {"bootstrap_servers": "localhost:1"}, fetches, lambda: 17)
    return await client.send(1, ASKED), sent


async def test_a_broker_from_before_there_were_ids_is_asked_by_name(
    fetches: Fetches, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetches.ids = {ORDERS: OLD}
    by_name = FetchResponse_v11(0, 0, 0, [("orders", [(0, 0, 21, 21, 0, None, -1, b"")])])
    found, sent = await asked(fetches, monkeypatch, old_broker=True, answer=by_name)
    assert [type(one) for one in sent] == [FetchById, FetchRequest]
    assert found.topics == by_name.topics
    assert fetches.polls[ORDERS].sent == 17
    # One that gives no IDs at all is not asked twice.
    fetches.ids = ids_of({ORDERS: "orders", PAID: "paid"})
    assert fetches.ids == {}
    _, sent = await asked(fetches, monkeypatch, old_broker=True, answer=by_name)
    assert sent == [ASKED]


async def test_by_id_the_library_is_answered_as_by_name(
    fetches: Fetches, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetches.ids = {ORDERS: OLD}
    found, (sent,) = await asked(
        fetches, monkeypatch, old_broker=False, answer=Answer((OLD, [said()]))
    )
    built = sent.build(FetchById._CLASSES[0])
    assert built.topics == [(OLD, [(0, -1, 16, -1, -1, 100, {})], {})], "what has no ID is left out"
    assert found.topics == [("orders", [(0, 0, 21, 21, 0, [(9, 4)], -1, b"")])]
    assert fetches.polls[ORDERS].high_watermark == 21


@pytest.mark.parametrize("error", [100, 103])
async def test_a_topic_that_is_another_by_now_is_looked_for_anew(
    fetches: Fetches, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    fetches.ids = {ORDERS: OLD}
    found, _ = await asked(
        fetches, monkeypatch, old_broker=False, answer=Answer((OLD, [said(error)]))
    )
    ((_, (partition,)),) = found.topics
    assert partition[:2] == (0, 3), "which the library knows"
    assert fetches.refused == [(ORDERS, error)]  # type: ignore[attr-defined]
    assert ORDERS not in fetches.polls


async def test_an_answer_about_a_topic_that_is_no_longer_read_is_nobodys(
    fetches: Fetches, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetches.ids = {ORDERS: OLD}

    def look_around() -> None:
        fetches.ids = {ORDERS: NEW}

    found, _ = await asked(
        fetches,
        monkeypatch,
        old_broker=False,
        answer=Answer((OLD, [said()])),
        meanwhile=look_around,
    )
    assert found.topics == [("orders", [])]
    assert ORDERS not in fetches.polls
