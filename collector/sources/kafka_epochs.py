"""Whether the log still holds what was read of it: a new leader may have cut it back.

Each leader's reign has a number, the epoch, which is written into every batch of records. A
leader that took over without all records (an unclean election, a disk that lost its last writes)
gives the same offsets anew, in a later epoch.
"""

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Int64, Schema, String

from collector.sources.kafka_ends import by_leader

_HEAD = struct.Struct(">qiib")
"""Of a batch: base offset, length of what follows the length, leader epoch, format."""
_BEFORE_LENGTH_COUNTS = 12
_ANY_EPOCH = -1
"""Whatever epoch the leader is in now."""


class EpochLine:
    """From which offset on which epoch counts, of the batches that were fetched lately."""

    def __init__(self) -> None:
        self._starts: list[tuple[int, int]] = []

    def note(self, batches: bytes) -> None:
        """Takes the epochs of an answer's batches; the last of them may be cut off."""
        at, end, read = 0, len(batches) - _HEAD.size, _HEAD.unpack_from
        known = self._starts[-1][1] if self._starts else -1
        while at <= end:
            offset, length, epoch, form = read(batches, at)
            if form < 2 or length <= 0:
                return  # a format from before there were epochs
            if epoch != known or offset < self._starts[-1][0]:
                # What is fetched again from further back replaces what was known from there on.
                self._starts = [one for one in self._starts if one[0] < offset]
                self._starts.append((offset, epoch))
                known = epoch
            at += length + _BEFORE_LENGTH_COUNTS

    def of(self, offset: int) -> int | None:
        """The epoch of the record at this offset; what lies before is not asked for again."""
        while len(self._starts) > 1 and self._starts[1][0] <= offset:
            self._starts.pop(0)
        if not self._starts or self._starts[0][0] > offset:
            return None
        return self._starts[0][1]


class EpochEnd(NamedTuple):
    """The last epoch, not after the one asked for, of which the leader has records; its end."""

    epoch: int
    end: int


def cut_at(position: int, answer: EpochEnd) -> int | None:
    """Where the log parted from what was read below `position`; None while it holds all of it."""
    return answer.end if 0 <= answer.end < position else None


class _Response(Response):
    API_KEY = 23
    API_VERSION = 2
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader_epoch", Int32),
                        ("end_offset", Int64),
                    ),
                ),
            ),
        ),
    )


class _RequestStruct(RequestStruct):
    API_KEY = 23
    API_VERSION = 2
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(
                        ("partition", Int32),
                        ("current_leader_epoch", Int32),
                        ("leader_epoch", Int32),
                    ),
                ),
            ),
        ),
    )


class _EpochEndsRequest(Request[_RequestStruct]):
    API_KEY = 23

    def __init__(self, topics: list[tuple[str, list[tuple[int, int, int]]]]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_RequestStruct]) -> _RequestStruct:
        return request_struct_class(self._topics)


async def epoch_ends(
    client: AIOKafkaClient, epochs: Mapping[TopicPartition, int]
) -> dict[TopicPartition, EpochEnd]:
    """Asks the leaders how far each of these epochs goes; who cannot tell now is left out."""
    found: dict[TopicPartition, EpochEnd] = {}
    for node, topics in by_leader(client, epochs).items():
        asked = [
            (topic, [(tp.partition, _ANY_EPOCH, epochs[tp]) for tp in tps])
            for topic, tps in topics.items()
        ]
        try:
            answer: Any = await client.send(node, _EpochEndsRequest(asked))
        except (IncompatibleBrokerVersion, NotImplementedError):
            # A broker from before there were epochs: it cannot have cut back by them.
            found |= {tp: EpochEnd(-1, -1) for tps in topics.values() for tp in tps}
            continue
        except KafkaError:
            continue
        for topic, partitions in answer.topics:
            for error, partition, epoch, end in partitions:
                if error == 0:
                    found[TopicPartition(topic, partition)] = EpochEnd(epoch, end)
    return found
