"""Fetches by the ID of a topic, not by its name: one that is made anew is not taken for the other.

The client library names topics. Asked by name, a broker gives from our offset on what lies in the
topic that bears the name now, and by then that may be another one.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v11
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
)

from collector.sources.kafka_topics import TAGS, Uuid

_NONE = -1


class _Response(Response):
    API_KEY = 1
    API_VERSION = 13
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("session_id", Int32),
        (
            "topics",
            CompactArray(
                ("topic_id", Uuid),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("highwater_offset", Int64),
                        ("last_stable_offset", Int64),
                        ("log_start_offset", Int64),
                        (
                            "aborted_transactions",
                            CompactArray(
                                ("producer_id", Int64),
                                ("first_offset", Int64),
                                TAGS,
                            ),
                        ),
                        ("preferred_read_replica", Int32),
                        ("message_set", CompactBytes),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        TAGS,
    )


class _RequestStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 1
    API_VERSION = 13
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        ("replica_id", Int32),
        ("max_wait_time", Int32),
        ("min_bytes", Int32),
        ("max_bytes", Int32),
        ("isolation_level", Int8),
        ("session_id", Int32),
        ("session_epoch", Int32),
        (
            "topics",
            CompactArray(
                ("topic_id", Uuid),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("current_leader_epoch", Int32),
                        ("fetch_offset", Int64),
                        ("last_fetched_epoch", Int32),
                        ("log_start_offset", Int64),
                        ("max_bytes", Int32),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        (
            "forgotten_topics_data",
            CompactArray(("topic_id", Uuid), ("partitions", CompactArray(Int32)), TAGS),
        ),
        ("rack_id", CompactString("utf-8")),
        TAGS,
    )


class FetchById(Request[_RequestStruct]):
    """The same request as the library's, of a broker that knows topics by their IDs (3.1)."""

    API_KEY = 1

    def __init__(self, request: FetchRequest, ids: Mapping[TopicPartition, uuid.UUID]) -> None:
        """What has no ID here is left out."""
        self._same = request
        self._names: dict[uuid.UUID, str] = {}
        self._topics: dict[uuid.UUID, list[tuple[Any, ...]]] = {}
        for topic, partitions in request.topics:
            for partition, offset, most in partitions:
                id = ids.get(TopicPartition(topic, partition))
                if id is not None:
                    self._names[id] = topic
                    some = self._topics.setdefault(id, [])
                    some.append((partition, _NONE, offset, _NONE, _NONE, most, {}))

    def __bool__(self) -> bool:
        return bool(self._topics)

    def build(self, request_struct_class: type[_RequestStruct]) -> _RequestStruct:
        same = self._same
        return request_struct_class(
            _NONE, same._max_wait_ms, same._min_bytes, same._max_bytes, same._isolation_level,
            0, _NONE, [(id, some, {}) for id, some in self._topics.items()], [], same._rack_id, {},
        )  # fmt: skip

    def named(self, answer: Any, ids: Mapping[TopicPartition, uuid.UUID]) -> Any:
        """The answer as the library expects it; `ids` are those of now: what was asked of another
        topic than is read by now is nobody's any more."""
        topics = []
        for id, partitions, _ in answer.topics:
            name = self._names[id]
            still = [one for one in partitions if ids.get(TopicPartition(name, one[0])) == id]
            topics.append((name, [_as_before(one) for one in still]))
        return FetchResponse_v11(
            answer.throttle_time_ms, answer.error_code, answer.session_id, topics
        )


def _as_before(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    partition, error, high, stable, start, aborted, preferred, records, _ = answer
    some = None if aborted is None else [(producer, first) for producer, first, _ in aborted]
    return partition, error, high, stable, start, some, preferred, records or b""


def ids_of(topics: Mapping[TopicPartition, str]) -> dict[TopicPartition, uuid.UUID]:
    """Of the topics that have one: brokers that are too old to give them are asked by name."""
    return {tp: uuid.UUID(id) for tp, id in topics.items() if id != tp.topic}
