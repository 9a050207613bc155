"""Asks a broker which topics there are, with their IDs, leaders and what we may do with them.

The client library speaks an older version of this request, without IDs (what tells a topic from its
namesake), and remembers only the topics that it reads.
"""

import uuid
from collections.abc import Sequence
from fnmatch import fnmatchcase
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

TAGS = ("tags", TaggedFields)
"""At the end of each part of a flexible request or answer."""


class Uuid(AbstractType[uuid.UUID]):
    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))


_NO_ID = uuid.UUID(int=0)
_AUTHORIZATION_FAILED = 29
_READ = 1 << 3
"""Bits stand for Kafka's AclOperation codes."""
_NOT_TOLD = -(2**31)
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
                TAGS,
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
                        TAGS,
                    ),
                ),
                ("authorized_operations", Int32),
                TAGS,
            ),
        ),
        TAGS,
    )


class _RequestStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", Uuid), ("name", _TEXT), TAGS),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_authorized_operations", Boolean),
        TAGS,
    )


class _TopicsRequest(Request[_RequestStruct]):
    API_KEY = 3

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = names

    def build(self, request_struct_class: type[_RequestStruct]) -> _RequestStruct:
        names: Any = None if self._names is None else [(_NO_ID, name, {}) for name in self._names]
        return request_struct_class(names, False, True, {})  # None: all topics


class Leader(NamedTuple):
    """Who leads a partition; `node` is -1 while nobody does, `epoch` -1 where it is not told."""

    node: int
    epoch: int


class Topic(NamedTuple):
    """`id` is the name itself where the broker is too old to have IDs."""

    id: str
    readable: bool
    """We may read it, as far as the broker tells."""
    partitions: dict[int, Leader]


def wanted(globs: Sequence[str], topic: str) -> bool:
    """Fits a glob, and none with `!`; a topic of Kafka's own (`__…`) only one that says so."""
    if any(fnmatchcase(topic, glob[1:]) for glob in globs if glob.startswith("!")):
        return False
    return any(
        fnmatchcase(topic, glob) and (glob.startswith("__") or not topic.startswith("__"))
        for glob in globs
    )


def exact(globs: Sequence[str]) -> list[str]:
    """The topics that are named as such: what is said of them when they are not there."""
    return [glob for glob in globs if not set(glob) & set("*?[!")]


async def all_topics(client: AIOKafkaClient, node: Any) -> dict[str, Topic]:
    """Every topic that may be described, by name."""
    try:
        answer: Any = await client.send(node, _TopicsRequest(None))
    except (IncompatibleBrokerVersion, NotImplementedError):
        cluster = await client.fetch_all_metadata()
        return {
            name: Topic(
                name, True, {p: Leader(0, -1) for p in cluster.partitions_for_topic(name) or ()}
            )
            for name in cluster.topics()
        }
    return _described(answer)


def _described(answer: Any) -> dict[str, Topic]:
    return {
        name: Topic(
            name if topic_id == _NO_ID else str(topic_id),
            _may_read(operations),
            {p[1]: Leader(p[2], p[3]) for p in partitions},
        )
        for error, name, topic_id, _, partitions, operations, *_ in answer.topics
        if error == 0 and name is not None
    }


async def topics_named(client: AIOKafkaClient, node: Any, names: Sequence[str]) -> dict[str, Topic]:
    """Those of these topics that are there and may be described."""
    return _described(await client.send(node, _TopicsRequest(names)))


async def undescribed(client: AIOKafkaClient, node: Any, names: Sequence[str]) -> list[str]:
    """Those of these topics that we may not even describe."""
    try:
        answer: Any = await client.send(node, _TopicsRequest(names))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return []
    return [topic[1] for topic in answer.topics if topic[0] == _AUTHORIZATION_FAILED]


def _may_read(operations: int) -> bool:
    return operations == _NOT_TOLD or bool(operations & _READ)
