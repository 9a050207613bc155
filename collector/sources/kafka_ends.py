"""Where logs begin and end, asked of each leader by itself: one that is away delays nobody.

The client library's own question waits for all of them, and for ever.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.offset import OffsetRequest

_LATEST, _EARLIEST = -1, -2
_CONSUMER = -1


class Ends(NamedTuple):
    """The first offset that is there, and the one after the last that may be read."""

    begin: int
    end: int


async def ends_of(
    client: AIOKafkaClient, tps: Iterable[TopicPartition], isolation: str
) -> dict[TopicPartition, Ends]:
    """What cannot be told now is left out."""
    tps = list(tps)
    begin = await _offsets(client, dict.fromkeys(tps, _EARLIEST), isolation)
    end = await _offsets(client, dict.fromkeys(begin, _LATEST), isolation)
    return {tp: Ends(begin[tp], end[tp]) for tp in end}


async def offsets_at(
    client: AIOKafkaClient, times_ms: Mapping[TopicPartition, int], isolation: str
) -> dict[TopicPartition, int]:
    """The first record of that time or later; -1 where there is none."""
    return await _offsets(client, times_ms, isolation)


async def _offsets(
    client: AIOKafkaClient, times: Mapping[TopicPartition, int], isolation: str
) -> dict[TopicPartition, int]:
    level = 1 if isolation == "read_committed" else 0
    found = {}
    for node, topics in by_leader(client, times).items():
        asked = [
            (topic, [(tp.partition, times[tp]) for tp in tps]) for topic, tps in topics.items()
        ]
        try:
            answer: Any = await client.send(node, OffsetRequest(_CONSUMER, level, asked))
        except KafkaError:
            continue
        for topic, partitions in answer.topics:
            for partition, error, *rest in partitions:
                if error == 0:
                    found[TopicPartition(topic, partition)] = int(rest[1])
    return found


def by_leader(
    client: AIOKafkaClient, tps: Iterable[TopicPartition]
) -> dict[int, dict[str, list[TopicPartition]]]:
    """By leader and topic; what has no leader is left out."""
    found: dict[int, dict[str, list[TopicPartition]]] = {}
    for tp in tps:
        leader = client.cluster.leader_for_partition(tp)
        if leader is not None and leader >= 0:
            found.setdefault(leader, defaultdict(list))[tp.topic].append(tp)
    return found
