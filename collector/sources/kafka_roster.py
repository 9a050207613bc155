"""Which partitions are ours, in which state: those that are read, and those that cannot be."""

import logging
from collections.abc import Callable, Mapping, Sequence

from aiokafka import TopicPartition

from collector.batch import Gap, PartitionState
from collector.readers import Readers
from collector.settings import KafkaSettings, SourceSettings
from collector.sources.kafka_consumer import Consumer
from collector.sources.kafka_discovery import DeniedTopics, Found, listed
from collector.sources.kafka_offsets import Offsets, States, root
from collector.sources.kafka_partition import Partition

log = logging.getLogger(__name__)

Tps = Mapping[TopicPartition, str]
"""Partitions, with their topic's ID."""


class Roster:
    """Follows what is found on the bus. Nothing in it is half done when somebody else looks."""

    def __init__(
        self,
        settings: SourceSettings,
        kafka: KafkaSettings,
        readers: Readers,
        resume: Sequence[PartitionState],
        clock: Callable[[], int],
    ) -> None:
        self.partitions: dict[TopicPartition, Partition] = {}
        self.blind: dict[TopicPartition, PartitionState] = {}
        """Partitions that are ours to read, and cannot be taken up now."""
        self.denied = DeniedTopics(settings.name)
        self.offsets = Offsets(settings.name, kafka, resume, clock)
        self._settings = settings
        self._readers = readers
        self._clock = clock
        self._late: set[TopicPartition] = set()
        """Not new: they were there when we first looked, or denied, and could not be read."""
        self._looked = False

    def known(self) -> dict[TopicPartition, str]:
        """Whatever was read and is still ours, with the topic's ID."""
        return {
            TopicPartition(state.topic, state.partition): root(state.topic_id)
            for state in self.offsets.known()
            if not state.retired
        }

    def next_offsets(self) -> dict[TopicPartition, int]:
        return {tp: one.state.next_offset for tp, one in self.partitions.items()}

    def topics(self) -> dict[TopicPartition, str]:
        """The ID of each one's topic."""
        return {tp: root(one.state.topic_id) for tp, one in self.partitions.items()}

    def states(self) -> list[PartitionState]:
        return [one.state for one in self.partitions.values()] + list(self.blind.values())

    def take_gaps(self) -> list[Gap]:
        return self.offsets.take_gaps()

    async def follow(self, consumer: Consumer, found: Found) -> None:
        """Reads what was found from now on, and nothing else.

        A topic with another ID is another topic.
        """
        self.denied.now_are(found, self._clock())
        ours = self.partitions
        # Who leads a partition that is being read, the client finds out by itself.
        wanted = found.readable | {tp: id for tp, id in found.leaderless.items() if tp in ours}
        fresh = {
            tp: id
            for tp, id in wanted.items()
            if tp not in ours or root(ours[tp].state.topic_id) != id
        }
        states: States = {}
        self._late |= {tp for tp in found.partitions() if tp.topic in self.denied.granted}
        self.denied.granted.clear()
        if fresh:
            states = await self.offsets.states(consumer.client, fresh, self._late)
        # From here on nothing waits: a step half done would lose its place.
        self._see_none_of(found, {tp: id for tp, id in fresh.items() if tp not in states})
        gone = ours.keys() - wanted.keys()
        if not states and not gone:
            return
        for tp in gone:
            del ours[tp]
        self._late -= states.keys()
        for tp, state in states.items():
            state.blocked_since = None
            ours[tp] = self._partition(tp, state)
        for tp in states.keys() | (consumer.fetches.polls.keys() - ours.keys()):
            consumer.fetches.forget(tp)
            consumer.resting.pop(tp, None)
        consumer.assign(self.next_offsets(), self.topics())
        self._say(gone - found.denied.keys())

    def cut_back(self, tp: TopicPartition, offset: int) -> None:
        """Its log was cut back to this offset: another incarnation begins there."""
        self.partitions[tp] = self._partition(
            tp, self.offsets.cut_back(self.partitions[tp].state, offset)
        )

    def retire(self) -> list[PartitionState]:
        """Partitions that were read once and are no longer: they hold no judgement back."""
        ours = {id(state) for state in self.states()}
        gone = [s for s in self.offsets.known() if not s.retired and id(s) not in ours]
        for state in gone:
            state.retired = True
        return gone

    def _see_none_of(self, found: Found, unanswered: Tps) -> None:
        """What should be read and cannot be holds its judgements back.

        A topic that was denied to us from the beginning is skipped: it is not waited for.
        """
        leaderless = {tp: id for tp, id in found.leaderless.items() if tp not in self.partitions}
        denied = {tp: id for tp, id in found.denied.items() if self.offsets.is_read(tp, id)}
        blind: dict[TopicPartition, PartitionState] = {}
        for why, tps in (
            ("nobody leads", leaderless),
            ("the leader is away of", unanswered),
            ("denied to us", denied),
        ):
            for tp, id in tps.items():
                blind[tp] = state = self.offsets.known_as(tp, id)
                state.carries = self._settings.carries(tp.topic)
                if state.blocked_since is None:
                    state.blocked_since = self._clock()
            if fresh := [f"{tp.topic}-{tp.partition}" for tp in tps if tp not in self.blind]:
                log.warning("source %s: blind, %s %s", self._settings.name, why, listed(fresh))
        if not self._looked:
            self._looked = True
            self._late |= blind.keys()
        self.blind = blind

    def _partition(self, tp: TopicPartition, state: PartitionState) -> Partition:
        state.carries = self._settings.carries(tp.topic)
        reader = self._readers.of(tp.topic, state.topic_id)
        return Partition(state, reader, self._clock())

    def _say(self, gone: set[TopicPartition]) -> None:
        source, count = self._settings.name, len(self.partitions)
        if dropped := sorted(f"{tp.topic}-{tp.partition}" for tp in gone):
            log.warning("source %s: %s is gone from the bus", source, listed(dropped))
        topics = listed(sorted({tp.topic for tp in self.partitions})) or "no topic yet"
        log.info("source %s: reading %d partitions of %s", source, count, topics)
