"""Asks a broker which topics there are, with their IDs: what tells a topic from its namesake.

The client library speaks an older version of this request, without IDs, and remembers only the
topics that it reads.
"""

import uuid
from io import BytesIO
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)


class Uuid(AbstractType[uuid.UUID]):
    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))


_NO_ID = uuid.UUID(int=0)
_TEXT = CompactString("utf-8")


class _Response(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", _TEXT),
                ("port", Int32),
                ("rack", _TEXT),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _RequestStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", Uuid), ("name", _TEXT), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicsRequest(Request[_RequestStruct]):
    API_KEY = 3

    def build(self, request_struct_class: type[_RequestStruct]) -> _RequestStruct:
        return request_struct_class(None, False, False, {})  # None: all topics


class Topic(NamedTuple):
    """`id` is the name itself where the broker is too old to have IDs."""

    id: str
    partitions: tuple[int, ...]


async def all_topics(client: AIOKafkaClient) -> dict[str, Topic]:
    """Every topic that may be read, by name."""
    try:
        answer: Any = await client.send(client.get_random_node(), _TopicsRequest())
    except (IncompatibleBrokerVersion, NotImplementedError):
        cluster = await client.fetch_all_metadata()
        return {
            name: Topic(name, tuple(sorted(cluster.partitions_for_topic(name) or ())))
            for name in cluster.topics()
        }
    return {
        name: Topic(
            name if topic_id == _NO_ID else str(topic_id), tuple(sorted(p[1] for p in partitions))
        )
        for error, name, topic_id, _, partitions, *_ in answer.topics
        if error == 0 and name is not None
    }
