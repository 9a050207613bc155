"""Questions about consumer groups that the client library asks in older words, or not at all.

Its own description of two groups at once reads the second as garbage, of a group of the new
protocol it says "Dead", and it fetches the offsets of one group at a time.
"""

import struct
from io import BytesIO
from typing import Any, NamedTuple

from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from collector.sources.kafka_topics import TAGS, Uuid

_TEXT = CompactString("utf-8")


# Which groups there are: each broker tells of those that it coordinates.


class _ListResponse4(Response):
    API_KEY = 16
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "groups",
            CompactArray(("group", _TEXT), ("protocol", _TEXT), ("state", _TEXT), TAGS),
        ),
        TAGS,
    )


class _ListStruct4(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 16
    API_VERSION = 4
    RESPONSE_TYPE = _ListResponse4
    SCHEMA = Schema(("states", CompactArray(_TEXT)), TAGS)


class _ListResponse5(Response):
    API_KEY = 16
    API_VERSION = 5
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "groups",
            CompactArray(
                ("group", _TEXT), ("protocol", _TEXT), ("state", _TEXT), ("type", _TEXT), TAGS
            ),
        ),
        TAGS,
    )


class _ListStruct5(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 16
    API_VERSION = 5
    RESPONSE_TYPE = _ListResponse5
    SCHEMA = Schema(("states", CompactArray(_TEXT)), ("types", CompactArray(_TEXT)), TAGS)


class ListGroups(Request[_ListStruct4 | _ListStruct5]):
    API_KEY = 16

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class.API_VERSION == 4:
            return request_struct_class([], {})
        return request_struct_class([], [], {})


# Who is in them.


class _DescribeResponse(Response):
    API_KEY = 15
    API_VERSION = 5
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            CompactArray(
                ("error_code", Int16),
                ("group", _TEXT),
                ("state", _TEXT),
                ("protocol_type", _TEXT),
                ("protocol", _TEXT),
                (
                    "members",
                    CompactArray(
                        ("member_id", _TEXT),
                        ("instance_id", _TEXT),
                        ("client_id", _TEXT),
                        ("host", _TEXT),
                        ("metadata", CompactBytes),
                        ("assignment", CompactBytes),
                        TAGS,
                    ),
                ),
                ("operations", Int32),
                TAGS,
            ),
        ),
        TAGS,
    )


class _DescribeStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 15
    API_VERSION = 5
    RESPONSE_TYPE = _DescribeResponse
    SCHEMA = Schema(("groups", CompactArray(_TEXT)), ("operations", Boolean), TAGS)


_ASSIGNMENT = CompactArray(
    ("topic_id", Uuid), ("topic", _TEXT), ("partitions", CompactArray(Int32)), TAGS
)


class _Assignment(AbstractType[Any]):
    @classmethod
    def decode(cls, data: BytesIO) -> Any:
        found = _ASSIGNMENT.decode(data)
        TaggedFields.decode(data)
        return found

    @classmethod
    def encode(cls, value: Any) -> bytes:
        raise NotImplementedError


class _Describe69Response(Response):
    API_KEY = 69
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            CompactArray(
                ("error_code", Int16),
                ("error", _TEXT),
                ("group", _TEXT),
                ("state", _TEXT),
                ("group_epoch", Int32),
                ("assignment_epoch", Int32),
                ("assignor", _TEXT),
                (
                    "members",
                    CompactArray(
                        ("member_id", _TEXT),
                        ("instance_id", _TEXT),
                        ("rack", _TEXT),
                        ("epoch", Int32),
                        ("client_id", _TEXT),
                        ("host", _TEXT),
                        ("topics", CompactArray(_TEXT)),
                        ("topic_regex", _TEXT),
                        ("assignment", _Assignment),
                        ("target", _Assignment),
                        TAGS,
                    ),
                ),
                ("operations", Int32),
                TAGS,
            ),
        ),
        TAGS,
    )


class _Describe69Struct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 69
    API_VERSION = 0
    RESPONSE_TYPE = _Describe69Response
    SCHEMA = Schema(("groups", CompactArray(_TEXT)), ("operations", Boolean), TAGS)


class _Describe77Response(Response):
    API_KEY = 77
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            CompactArray(
                ("error_code", Int16),
                ("error", _TEXT),
                ("group", _TEXT),
                ("state", _TEXT),
                ("group_epoch", Int32),
                ("assignment_epoch", Int32),
                ("assignor", _TEXT),
                (
                    "members",
                    CompactArray(
                        ("member_id", _TEXT),
                        ("rack", _TEXT),
                        ("epoch", Int32),
                        ("client_id", _TEXT),
                        ("host", _TEXT),
                        ("topics", CompactArray(_TEXT)),
                        ("assignment", _Assignment),
                        TAGS,
                    ),
                ),
                ("operations", Int32),
                TAGS,
            ),
        ),
        TAGS,
    )


class _Describe77Struct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 77
    API_VERSION = 1
    RESPONSE_TYPE = _Describe77Response
    SCHEMA = Schema(("groups", CompactArray(_TEXT)), ("operations", Boolean), TAGS)


class DescribeClassic(Request[_DescribeStruct]):
    API_KEY = 15

    def __init__(self, groups: list[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._groups, False, {})


class DescribeConsumer(Request[_Describe69Struct]):
    """Groups of the new protocol (KIP-848)."""

    API_KEY = 69

    def __init__(self, groups: list[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._groups, False, {})


class DescribeShare(Request[_Describe77Struct]):
    API_KEY = 77

    def __init__(self, groups: list[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._groups, False, {})


# How far they have committed.


class Committed(NamedTuple):
    """`offsets` are (topic, partition, offset); those with an error are left out."""

    error: int
    offsets: list[tuple[str, int, int]]


class _OffsetsResponse(Response):
    """Read by hand: of ten thousand offsets a schema would make a tenth of a second of work."""

    API_KEY = 9
    API_VERSION = 8
    SCHEMA = Schema(("groups", CompactArray(_TEXT)))

    def __init__(self, groups: dict[str, Committed]) -> None:
        self.groups = groups

    @classmethod
    def decode(cls, data: Any) -> "_OffsetsResponse":
        return cls(_read_offsets(data.read() if isinstance(data, BytesIO) else data))


_PARTITION = struct.Struct(">iqi")


def _read_offsets(data: bytes) -> dict[str, Committed]:
    at = 4  # the throttle time

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text() -> str:
        nonlocal at
        length = varint() - 1
        at += length
        return data[at - length : at].decode()

    def tags() -> None:
        nonlocal at
        for _ in range(varint()):
            varint()
            size = varint()
            at += size

    unpack, found = _PARTITION.unpack_from, {}
    for _ in range(varint() - 1):
        group, offsets = text(), []
        for _ in range(varint() - 1):
            topic = text()
            for _ in range(varint() - 1):
                partition, offset, _epoch = unpack(data, at)
                at += 16
                # The metadata: null, empty, or some text.
                length = data[at]
                if length < 2:
                    at += 1
                else:
                    length = varint() - 1
                    at += length
                error = data[at] | data[at + 1]
                at += 2
                if data[at]:
                    tags()
                else:
                    at += 1
                if not error and offset >= 0:
                    offsets.append((topic, partition, offset))
            tags()
        error = int.from_bytes(data[at : at + 2], "big", signed=True)
        at += 2
        tags()
        found[group] = Committed(error, offsets)
    return found


class _OffsetsStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 8
    RESPONSE_TYPE = _OffsetsResponse
    SCHEMA = Schema(
        (
            "groups",
            CompactArray(
                ("group", _TEXT),
                (
                    "topics",
                    CompactArray(("name", _TEXT), ("partitions", CompactArray(Int32)), TAGS),
                ),
                TAGS,
            ),
        ),
        ("require_stable", Boolean),
        TAGS,
    )


class FetchCommitted(Request[_OffsetsStruct]):
    """All offsets of many groups at once (Kafka 3.0 and newer)."""

    API_KEY = 9

    def __init__(self, groups: list[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([(group, None, {}) for group in self._groups], False, {})


# Who holds back an end.


class _ProducersResponse(Response):
    API_KEY = 61
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error", _TEXT),
                        (
                            "producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("epoch", Int32),
                                ("sequence", Int32),
                                ("timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("txn_start", Int64),
                                TAGS,
                            ),
                        ),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        TAGS,
    )


class _ProducersStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 61
    API_VERSION = 0
    RESPONSE_TYPE = _ProducersResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), TAGS),
        ),
        TAGS,
    )


class DescribeProducers(Request[_ProducersStruct]):
    API_KEY = 61

    def __init__(self, topics: list[tuple[str, list[int]]]) -> None:
        self._topics = topics

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([(name, some, {}) for name, some in self._topics], {})
