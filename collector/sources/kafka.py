"""The Kafka tap: assigned partitions, no group, no commits; the bus does not notice it."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, OffsetOutOfRangeError
from aiokafka.protocol.fetch import FetchRequest

from collector.batch import Batch, Gap, PartitionState
from collector.completeness import Completeness, Poll
from collector.decode import Reader
from collector.errors import SourceError
from collector.settings import KafkaSettings, SourceSettings
from collector.sources.kafka_topic_ids import topic_ids
from collector.times import US_PER_MS, US_PER_S, parse_duration, parse_time

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
        self._resume = {(s.topic_id, s.partition): s for s in resume}
        self._first_start = not resume
        self._clock = clock
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._gaps: list[Gap] = []
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
        self._watch_fetches(consumer)
        await self._discover()

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    def _watch_fetches(self, consumer: AIOKafkaConsumer) -> None:
        """Notes when each fetch was sent and which ends it was told.

        The client knows the ends but not the moment of asking, and completeness rests on that:
        what was appended after the question may be missing from the answer.
        """
        client: Any = consumer._client
        send = client.send

        async def watched(node_id: int, request: object, **options: Any) -> Any:
            if not isinstance(request, FetchRequest):
                return await send(node_id, request, **options)
            sent = self._clock()
            response = await send(node_id, request, **options)
            for topic, partitions in response.topics:
                for partition, error, high_watermark, *rest in partitions:
                    if error == 0:
                        stable = rest[0] if rest[0] >= 0 else high_watermark
                        self._polls[TopicPartition(topic, partition)] = Poll(
                            sent, high_watermark, stable
                        )
            return response

        client.send = watched

    async def _discover(self) -> None:
        """Takes up new topics and partitions; a topic with another ID is another topic."""
        consumer = self._running()
        self._discovered = self._clock()
        await consumer._client.force_metadata_update()
        names = sorted(
            topic
            for topic in await consumer.topics()
            if any(fnmatchcase(topic, glob) for glob in self._kafka.topics)
        )
        ids = await topic_ids(consumer._client, names)
        wanted = [
            (TopicPartition(topic, partition), ids[topic])
            for topic in names
            if topic in ids
            for partition in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        known = self._partitions
        fresh = [(tp, id) for tp, id in wanted if tp not in known or known[tp].state.topic_id != id]
        if not fresh:
            return
        gone = known.keys() - {tp for tp, _ in wanted}
        for tp in gone:
            log.warning("source %s: %s-%d is gone from the bus", self.name, *tp)
        now = self._clock()
        offsets = await self._starting_offsets([tp for tp, _ in fresh], dict(fresh))
        for tp, id in fresh:
            state = self._state(tp, id, offsets[tp])
            known[tp] = _Partition(state, self._reader(tp.topic, id), now)
            self._polls.pop(tp, None)
        consumer.assign([tp for tp, _ in wanted])
        for tp, _ in wanted:
            consumer.seek(tp, known[tp].state.next_offset)
        self._first_start = False
        log.info("source %s: reading %d partitions of %s", self.name, len(wanted), ", ".join(names))

    def _state(self, tp: TopicPartition, topic_id: str, offset: int) -> PartitionState:
        resumed = self._resume.get((topic_id, tp.partition))
        carries = self._carries(tp.topic)
        if resumed is not None:
            resumed.next_offset, resumed.carries = offset, carries
            return resumed
        return PartitionState(
            self.name, tp.topic, topic_id, tp.partition, offset, offset, carries=carries
        )

    async def _starting_offsets(
        self, tps: list[TopicPartition], ids: dict[TopicPartition, str]
    ) -> dict[TopicPartition, int]:
        """Where the store left off; else `start` on the very first start; else the beginning."""
        consumer = self._running()
        begin = await consumer.beginning_offsets(tps)
        end = await consumer.end_offsets(tps)
        first = await self._first_offsets(tps, begin, end) if self._first_start else begin
        found = {}
        for tp in tps:
            resumed = self._resume.get((ids[tp], tp.partition))
            if resumed is None:
                found[tp] = first[tp]
            else:
                found[tp] = self._within_log(resumed, begin[tp], end[tp])
        return found

    def _within_log(self, state: PartitionState, begin: int, end: int) -> int:
        """The offset to go on from; what retention or truncation took is recorded as a gap."""
        if state.next_offset < begin:
            self._record_gap(state, state.next_offset, begin, "retention passed the tap")
            return begin
        if state.next_offset > end:
            self._record_gap(state, end, state.next_offset, "the log was truncated")
            return end
        return state.next_offset

    def _record_gap(self, state: PartitionState, start: int, stop: int, reason: str) -> None:
        gap = Gap(
            state.source, state.topic, state.topic_id, state.partition, start, stop, reason,
            state.complete_to, self._clock(), state.carries,
        )  # fmt: skip
        log.warning(
            "source %s: %s-%d has a gap, offsets %d to %d: %s",
            self.name, state.topic, state.partition, start, stop - 1, reason,
        )  # fmt: skip
        self._gaps.append(gap)

    async def _first_offsets(
        self,
        tps: list[TopicPartition],
        begin: dict[TopicPartition, int],
        end: dict[TopicPartition, int],
    ) -> dict[TopicPartition, int]:
        start = self._kafka.start
        if start == "earliest":
            return begin
        if start == "latest":
            return end
        back = parse_duration(start)
        moment = self._clock() - back if back is not None else parse_time(start) or 0
        stamp = max(0, moment // US_PER_MS)
        found = await self._running().offsets_for_times(dict.fromkeys(tps, stamp))
        return {tp: found[tp].offset if found.get(tp) else end[tp] for tp in tps}

    def _reader(self, topic: str, topic_id: str) -> Reader:
        return Reader(self._settings, topic, topic_id, self._settings.special(topic))

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
        batch = Batch(now=now, gaps=self._gaps)
        self._gaps = []
        for tp, records in fetched.items():
            one = self._partitions[tp]
            decode = one.reader.event
            batch.events.extend([decode(record, now) for record in records])
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
                consumer.pause(tp)
                consumer.seek(tp, one.state.next_offset)
                self._aside[tp] = self._clock()
                if one.state.blocked_since is None:
                    one.state.blocked_since = self._clock()
                    log.warning("source %s: blind on %s-%d: %s", self.name, *tp, error)
        return fetched

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
            state.next_offset = self._within_log(state, begin[tp], end[tp])
            consumer.seek(tp, state.next_offset)
