"""The Kafka tap: assigned partitions, no group, no commits; the bus does not notice it."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, OffsetOutOfRangeError

from collector.batch import Batch, PartitionState
from collector.completeness import Completeness, Poll
from collector.decode import Reader
from collector.errors import SourceError
from collector.readers import Readers
from collector.settings import KafkaSettings, SourceSettings
from collector.sources.kafka_offsets import Offsets
from collector.sources.kafka_polls import watch_fetches
from collector.sources.kafka_topics import all_topics
from collector.times import US_PER_MS, US_PER_S

log = logging.getLogger(__name__)

MAX_RECORDS = 20_000
WAIT_MS = 200
"""How long a poll waits for records: it bounds how long a partition's silence goes untold."""
DISCOVER_EVERY = 5 * US_PER_S
BLOCKED_AFTER = 10 * US_PER_S
"""A partition that no fetch has answered for so long is blocked."""


TRY_AGAIN_AFTER = 5 * US_PER_S
DISCOVER_PATIENCE_S = 10

Fetched = dict[TopicPartition, list[ConsumerRecord[Any, Any]]]


class _Partition:
    """One partition that is being read."""

    __slots__ = ("completeness", "reader", "started", "state")

    def __init__(self, state: PartitionState, reader: Reader, now: int) -> None:
        self.state = state
        self.reader = reader
        self.completeness = Completeness(state.complete_to)
        self.started = now


class KafkaTap:
    """One cluster's topics. `resume` is what the store holds of this source."""

    def __init__(
        self,
        settings: SourceSettings,
        resume: Sequence[PartitionState],
        clock: Callable[[], int],
    ) -> None:
        assert settings.kafka is not None
        self.name = settings.name
        self._settings = settings
        self._kafka: KafkaSettings = settings.kafka
        self._offsets = Offsets(settings.kafka, resume, clock)
        self._clock = clock
        self.readers = Readers(settings, clock)
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._aside: dict[TopicPartition, int] = {}
        """Partitions that cannot be read now, with the moment of the last try."""
        self._polls: dict[TopicPartition, Poll] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._discovered = 0

    # Starting and finding partitions

    async def start(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._kafka.bootstrap,
            client_id="nonevent",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level=self._kafka.isolation,
            fetch_max_wait_ms=WAIT_MS,
            # A broker that is away would be tried thousands of times a second.
            retry_backoff_ms=500,
        )
        try:
            await consumer.start()
        except KafkaConnectionError as error:
            await consumer.stop()
            raise SourceError(
                f"source {self.name}: no Kafka answers at {self._kafka.bootstrap}; check "
                "`bootstrap` and that the broker's advertised listener can be reached from here"
            ) from error
        self._consumer = consumer
        watch_fetches(consumer, self._polls, self._clock)
        await self._discover()

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
        await self.readers.close()

    async def _discover(self) -> None:
        """Takes up new topics and partitions; a topic with another ID is another topic."""
        consumer = self._running()
        self._discovered = self._clock()
        found = {
            name: topic
            for name, topic in (await all_topics(consumer._client)).items()
            if any(fnmatchcase(name, glob) for glob in self._kafka.topics)
        }
        # The client finds the leaders of those topics only that it was told of.
        await consumer._client.set_topics(list(found))
        await self._take_up(
            {
                TopicPartition(name, partition): topic.id
                for name, topic in sorted(found.items())
                for partition in topic.partitions
            }
        )

    async def _take_up(self, wanted: dict[TopicPartition, str]) -> None:
        """Reads these partitions (with their topics' IDs) from now on, and no others."""
        consumer, known = self._running(), self._partitions
        fresh = {
            tp: id for tp, id in wanted.items() if tp not in known or known[tp].state.topic_id != id
        }
        if not fresh and known.keys() == wanted.keys():
            return
        states = await self._offsets.states(consumer, self.name, fresh) if fresh else {}
        # From here on nothing waits: a step half done would lose its place.
        for tp in known.keys() - wanted.keys():
            log.warning("source %s: %s-%d is gone from the bus", self.name, *tp)
            del known[tp]
        for tp, state in states.items():
            state.carries = self._carries(tp.topic)
            known[tp] = _Partition(state, self.readers.of(tp.topic, state.topic_id), self._clock())
        for tp in states.keys() | (self._polls.keys() - known.keys()):
            self._polls.pop(tp, None)
            self._aside.pop(tp, None)
        consumer.assign(list(known))
        self._rewind()
        topics = ", ".join(sorted({tp.topic for tp in known})) or "no topic yet"
        log.info("source %s: reading %d partitions of %s", self.name, len(known), topics)

    def _retire(self) -> list[PartitionState]:
        """Partitions that were read once and are no longer: they hold no judgement back."""
        tapped = {id(one.state) for one in self._partitions.values()}
        gone = [s for s in self._offsets.known() if not s.retired and id(s) not in tapped]
        for state in gone:
            state.retired = True
        return gone

    def _carries(self, topic: str) -> tuple[str, ...] | None:
        """The names that a topic can carry: as declared, or its own where only it names events."""
        declared = [
            n for s in self._settings.special(topic) if s.names is not None for n in s.names
        ]
        if declared:
            return tuple(declared)
        return (topic,) if self._settings.name_from == ["topic"] else None

    def _running(self) -> AIOKafkaConsumer:
        assert self._consumer is not None, "poll before start"
        return self._consumer

    # Reading

    async def poll(self) -> Batch:
        if self._clock() - self._discovered > DISCOVER_EVERY:
            await self._discover_again()
        fetched = await self._fetch()
        now = self._clock()
        batch = Batch(now=now, gaps=self._offsets.take_gaps())
        batch.partitions += [msgspec.structs.replace(state) for state in self._retire()]
        for tp, records in fetched.items():
            one = self._partitions[tp]
            count, away = await one.reader.readable(records)
            if away is not None:
                self._set_aside(tp, records[count].offset, away)
                records = records[:count]
            if not records:
                continue
            decode = one.reader.event
            events = [decode(record, now) for record in records]
            batch.events.extend([event for event in events if event is not None])
            batch.gaps += one.reader.take_gaps()
            times = [record.timestamp * US_PER_MS for record in records]
            one.completeness.read(times)
            if one.state.seen_from is None:
                one.state.seen_from = min(times)
        for tp, one in self._partitions.items():
            await self._advance(tp, one, now)
            # A copy: the next poll moves the state on while this batch waits for its commit.
            batch.partitions.append(msgspec.structs.replace(one.state))
        return batch

    async def _fetch(self) -> Fetched:
        """The next records; what one partition cannot give does not keep the others from theirs."""
        consumer = self._running()
        if not self._partitions:
            await asyncio.sleep(WAIT_MS / 1000)
            return {}
        self._try_set_aside_again()
        try:
            return await consumer.getmany(timeout_ms=WAIT_MS, max_records=MAX_RECORDS)
        except KafkaError as error:
            # The client has moved past records that it did not hand out: take them again.
            self._rewind()
            if isinstance(error, OffsetOutOfRangeError):
                await self._realign(error.args[0])
                return {}
            log.warning("source %s: %s; looking for the partition", self.name, error)
            return await self._fetch_one_by_one()

    async def _fetch_one_by_one(self) -> Fetched:
        """Finds the partitions that cannot be read and sets them aside; reads the others."""
        consumer = self._running()
        fetched: Fetched = {}
        for tp, one in self._partitions.items():
            if tp in self._aside:
                continue
            try:
                fetched.update(await consumer.getmany(tp, timeout_ms=WAIT_MS))
            except KafkaError as error:
                self._set_aside(tp, one.state.next_offset, error)
        return fetched

    def _set_aside(self, tp: TopicPartition, offset: int, error: Exception) -> None:
        """Leaves a partition alone for a while, to go on at `offset`; its judgements are held."""
        consumer, state = self._running(), self._partitions[tp].state
        consumer.pause(tp)
        consumer.seek(tp, offset)
        state.next_offset = offset
        self._aside[tp] = self._clock()
        if state.blocked_since is None:
            state.blocked_since = self._clock()
            log.warning("source %s: blind on %s-%d: %s", self.name, *tp, error)

    def _try_set_aside_again(self) -> None:
        for tp, since in list(self._aside.items()):
            if self._clock() - since > TRY_AGAIN_AFTER:
                del self._aside[tp]
                self._running().resume(tp)

    def _rewind(self) -> None:
        for tp, one in self._partitions.items():
            self._running().seek(tp, one.state.next_offset)

    async def _advance(self, tp: TopicPartition, one: _Partition, now: int) -> None:
        state, poll = one.state, self._polls.get(tp)
        if tp in self._aside:
            return
        position = await self._running().position(tp)
        answered = one.started
        if poll is not None:
            answered = max(answered, poll.sent)
            one.completeness.polled(poll)
            state.high_watermark = poll.high_watermark
        moved = position > state.next_offset
        state.next_offset = position
        state.complete_to = one.completeness.advance(position, now)
        caught_up = poll is not None and position >= poll.high_watermark
        if moved or (caught_up and now - answered <= BLOCKED_AFTER):
            if state.blocked_since is not None:
                log.warning("source %s: sees %s-%d again", self.name, *tp)
            state.blocked_since = None
        elif state.blocked_since is None and now - answered > BLOCKED_AFTER:
            state.blocked_since = answered
            log.warning("source %s: blind on %s-%d", self.name, *tp)

    async def _discover_again(self) -> None:
        try:
            await asyncio.wait_for(self._discover(), DISCOVER_PATIENCE_S)
        except (KafkaError, TimeoutError) as error:
            # The bus is away for a while: what is assigned is tried on by the client itself.
            why = str(error) or "no answer"
            log.warning("source %s: topics cannot be listed now: %s", self.name, why)
            self._discovered = self._clock()

    async def _realign(self, offsets: Iterable[TopicPartition]) -> None:
        """The log no longer holds our offset: go on where it does, and say what was lost."""
        consumer, tps = self._running(), list(offsets)
        begin, end = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        for tp in tps:
            state = self._partitions[tp].state
            self._offsets.bound(state, begin[tp], end[tp])
            consumer.seek(tp, state.next_offset)
