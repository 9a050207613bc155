"""A member of a group that the client library cannot be in: of the new protocol (KIP-848), or of a
share group. It says what such a member says to its broker, and reads nothing."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.types import (
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from collector.sources.kafka_topics import Uuid

_TEXT = CompactString("utf-8")
_TAGS = ("tags", TaggedFields)
_PARTITIONS = CompactArray(("topic_id", Uuid), ("partitions", CompactArray(Int32)), _TAGS)
_LEAVE = -1
_NOT_READY = (14, 15, 16)
"""The coordinator loads, or is another one."""
_STALE_EPOCH = 113
"""The group has moved on since the last beat."""


class _NotYetError(Exception):
    pass


class _BeatResponse(Response):
    API_KEY = 68
    API_VERSION = 0
    # The assignment, which comes last, is nobody's business here.
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("error_code", Int16), ("error", _TEXT),
        ("member_id", _TEXT), ("epoch", Int32), ("interval_ms", Int32),
    )  # fmt: skip


class _BeatStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 68
    API_VERSION = 0
    RESPONSE_TYPE = _BeatResponse
    SCHEMA = Schema(
        ("group", _TEXT), ("member_id", _TEXT), ("epoch", Int32), ("instance", _TEXT),
        ("rack", _TEXT), ("rebalance_timeout_ms", Int32), ("topics", CompactArray(_TEXT)),
        ("assignor", _TEXT), ("owned", _PARTITIONS), _TAGS,
    )  # fmt: skip


class _Beat(Request[_BeatStruct]):
    API_KEY = 68

    def __init__(self, group: str, member: str, epoch: int, topic: str) -> None:
        whole = ([topic], None, []) if epoch <= 0 else (None, None, None)
        self._words = (group, member, epoch, None, None, 60_000 if epoch <= 0 else -1, *whole, {})

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(*self._words)


class _ShareResponse(_BeatResponse):
    API_KEY = 76
    API_VERSION = 1


class _ShareStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 76
    API_VERSION = 1
    RESPONSE_TYPE = _ShareResponse
    SCHEMA = Schema(
        ("group", _TEXT), ("member_id", _TEXT), ("epoch", Int32), ("rack", _TEXT),
        ("topics", CompactArray(_TEXT)), _TAGS,
    )  # fmt: skip


class _ShareBeat(Request[_ShareStruct]):
    API_KEY = 76

    def __init__(self, group: str, member: str, epoch: int, topic: str) -> None:
        self._words = (group, member, epoch, None, [topic] if epoch == 0 else None, {})

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(*self._words)


class _CommitResponse(Response):
    API_KEY = 8
    API_VERSION = 9
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", _TEXT),
                ("partitions", CompactArray(("index", Int32), ("error_code", Int16), _TAGS)),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class _CommitStruct(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 8
    API_VERSION = 9
    RESPONSE_TYPE = _CommitResponse
    SCHEMA = Schema(
        ("group", _TEXT), ("epoch", Int32), ("member_id", _TEXT), ("instance", _TEXT),
        (
            "topics",
            CompactArray(
                ("name", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("index", Int32), ("offset", Int64), ("leader_epoch", Int32),
                        ("metadata", _TEXT), _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    )  # fmt: skip


class _Commit(Request[_CommitStruct]):
    API_KEY = 8

    def __init__(self, words: tuple[Any, ...]) -> None:
        self._words = words

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(*self._words)


class Member:
    """Joins on entering, leaves on exit, and says in between that it is there."""

    def __init__(self, bootstrap: str, group: str, topic: str, *, share: bool = False) -> None:
        self._client = AIOKafkaClient(bootstrap_servers=bootstrap)
        self._group, self._topic, self._share = group, topic, share
        self._id, self._epoch = str(uuid.uuid4()), 0
        self._node = -1
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Member:
        await self._client.bootstrap()
        await self._join()
        self._beating = asyncio.create_task(self._beat_on())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.silence()
        await self._beat(_LEAVE)
        await self._client.close()

    async def silence(self) -> None:
        """Says no more that it is there."""
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating

    async def commit(self, offsets: dict[int, int]) -> None:
        partitions = [(number, offset, -1, "", {}) for number, offset in offsets.items()]
        topics = [(self._topic, partitions, {})]
        while True:
            words = (self._group, self._epoch, self._id, None, topics, {})
            answer: Any = await self._client.send(self._node, _Commit(words))
            errors = {p[1] for topic in answer.topics for p in topic[1]}
            if errors != {_STALE_EPOCH}:
                break
            await asyncio.sleep(0.1)  # the next beat tells the group's new one
        assert errors == {0}, answer

    async def _join(self) -> None:
        """A coordinator that has just been named may not be ready yet."""
        while True:
            node = self._client.get_random_node()
            found: Any = await self._client.send(node, FindCoordinatorRequest(self._group, 0))
            if found.error_code == 0:
                self._node = found.coordinator_id
                with contextlib.suppress(_NotYetError):
                    return await self._beat(0)
            await asyncio.sleep(0.2)

    async def _beat(self, epoch: int) -> None:
        words = (self._group, self._id, epoch, self._topic)
        beat: Any = _ShareBeat(*words) if self._share else _Beat(*words)
        answer: Any = await self._client.send(self._node, beat)
        if answer.error_code in _NOT_READY:
            raise _NotYetError
        assert answer.error_code == 0, answer
        self._epoch = answer.epoch

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(1)
            await self._beat(self._epoch)
