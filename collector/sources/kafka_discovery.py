"""Which partitions there are to read, by what the configuration asks for and the bus allows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from collector.sources.condition import Denied
from collector.sources.kafka_client import PatientClient
from collector.sources.kafka_topics import (
    Topic,
    all_topics,
    exact,
    topics_named,
    undescribed,
    wanted,
)

log = logging.getLogger(__name__)

NO_READ = "we may describe it, and not read it: grant READ"
NO_DESCRIBE = "we may not describe it: grant DESCRIBE and READ"


@dataclass(frozen=True)
class Found:
    """Partitions with their topic's ID."""

    readable: dict[TopicPartition, str] = field(default_factory=dict)
    leaderless: dict[TopicPartition, str] = field(default_factory=dict)
    denied: dict[TopicPartition, str] = field(default_factory=dict)
    epochs: dict[TopicPartition, int] = field(default_factory=dict)
    """Of the leaders."""
    topics: tuple[str, ...] = ()
    """Those that may be read."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Why topics are not read."""

    def partitions(self) -> set[TopicPartition]:
        """All that there are to read, whether they have a leader or not."""
        return self.readable.keys() | self.leaderless.keys()


async def discover(
    client: PatientClient, globs: Sequence[str], known: Mapping[TopicPartition, str]
) -> Found:
    """What the bus says now; `known` are the partitions that were read, with their topic's ID."""
    node = await client.some_node()
    there = await all_topics(client, node)
    topics = {name: topic for name, topic in sorted(there.items()) if wanted(globs, name)}
    # What we may not describe is left out, as if it were gone: of what we miss we ask by name.
    missed = {tp.topic for tp in known if wanted(globs, tp.topic)} | set(exact(globs))
    lacking = sorted(missed - there.keys())
    hidden = await undescribed(client, node, lacking) if lacking else []
    refusals = dict.fromkeys(hidden, NO_DESCRIBE)
    refusals |= {name: NO_READ for name, topic in topics.items() if not topic.readable}
    found = sorted_out(topics, refusals)
    found.denied.update({tp: id for tp, id in known.items() if tp.topic in hidden})
    return found


async def replaced(
    client: PatientClient, topics: Mapping[TopicPartition, str]
) -> set[TopicPartition]:
    """Partitions of topics that do not have these IDs any more: what was asked by their names may
    have been answered of others."""
    if all(id == tp.topic for tp, id in topics.items()):
        return set()  # the broker gives no IDs
    names = sorted({tp.topic for tp in topics})
    there = await topics_named(client, await client.some_node(), names)
    ids = {name: topic.id for name, topic in there.items()}
    return {tp for tp, id in topics.items() if ids.get(tp.topic) != id}


def sorted_out(topics: Mapping[str, Topic], refusals: Mapping[str, str]) -> Found:
    found = Found(
        topics=tuple(name for name, topic in topics.items() if topic.readable), refusals=refusals
    )
    for name, topic in topics.items():
        for number, leader in sorted(topic.partitions.items()):
            tp = TopicPartition(name, number)
            if not topic.readable:
                found.denied[tp] = topic.id
            elif leader.node < 0:
                found.leaderless[tp] = topic.id
            else:
                found.readable[tp] = topic.id
                found.epochs[tp] = leader.epoch
    return found


class DeniedTopics:
    """Topics that may not be read, since when: said when it begins and when it ends."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._denied: dict[str, Denied] = {}
        self.granted: set[str] = set()
        """Topics that may be read since a while: they are late, not new."""

    def now_are(self, found: Found, now: int) -> None:
        for topic in self._denied.keys() - found.refusals.keys():
            del self._denied[topic]
            if topic in found.topics:
                log.warning("source %s: %s may be read now", self._source, topic)
                self.granted.add(topic)
        fresh: dict[str, list[str]] = {}
        for topic, why in found.refusals.items():
            before = self._denied.get(topic)
            if before is None or before.why != why:
                self._denied[topic] = Denied(topic, before.since if before else now, why)
                fresh.setdefault(why, []).append(topic)
        for why, names in fresh.items():
            log.warning("source %s: cannot read %s: %s", self._source, listed(names), why)

    def all(self) -> tuple[Denied, ...]:
        return tuple(self._denied.copy().values())


def listed(names: Sequence[str]) -> str:
    """The first few, and how many more: a bus may have thousands."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
