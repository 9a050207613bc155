"""The Kafka tap: assigned partitions, no group, no commits; the bus does not notice it."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from collector.batch import Batch, PartitionState
from collector.completeness import possible
from collector.errors import SourceError
from collector.readers import Readers
from collector.settings import KafkaSettings, SourceSettings
from collector.sources.condition import Condition, by_topic
from collector.sources.kafka_consumer import WAIT_MS, Consumer
from collector.sources.kafka_discovery import Found, discover, listed, replaced
from collector.sources.kafka_ends import ends_of
from collector.sources.kafka_partition import Change
from collector.sources.kafka_records import Fetched
from collector.sources.kafka_roster import Roster
from collector.sources.kafka_security import cure, security_options
from collector.sources.patience import Patience
from collector.sources.side_by_side import to_wait
from collector.times import NEVER, US_PER_MS, US_PER_S, format_duration

log = logging.getLogger(__name__)

DISCOVER_EVERY = 5 * US_PER_S
TRY_AGAIN_AFTER = 5 * US_PER_S
DISCOVER_PATIENCE_S = 10


class KafkaTap:
    """One cluster's topics. `resume` is what the store holds of this source."""

    paced = False

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
        self.readers = Readers(settings, clock)
        self._roster = Roster(settings, settings.kafka, self.readers, resume, clock)
        self._clock = clock
        place = f"source {settings.name}: kafka"
        self._security = security_options(place, settings.kafka.tls, settings.kafka.sasl, clock)
        self._ahead = settings.kafka.ahead_us()
        self._transactional = settings.kafka.isolation == "read_committed"
        self._waiting: frozenset[TopicPartition] = frozenset()
        """Partitions that wait for slower ones."""
        self._consumer: Consumer | None = None
        self._since = clock()
        self._discovered = 0
        self._undiscovered: Patience | None = None
        self._ended: Patience | None = None

    # Starting and finding partitions

    async def start(self) -> None:
        try:
            await self._connect()
            await self._discover()
        except KafkaError as error:
            await self.stop()
            said = " ".join(str(part) for part in error.args) or type(error).__name__
            raise SourceError(
                f"source {self.name}: no Kafka answers at {self._kafka.bootstrap} ({said}): "
                f"{cure(said)}"
            ) from error

    async def _connect(self) -> None:
        self._consumer = Consumer(self.name, self._kafka, self._security, self._clock)
        await self._consumer.open()
        self._since = self._clock()

    async def stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()
        await self.readers.close()

    def condition(self) -> Condition:
        """How it stands with the bus; may be asked from any thread."""
        consumer = self._consumer
        if consumer is None:
            return Condition("kafka", "connecting", self._since)
        waiting = tuple(
            (tp.topic, tp.partition)
            for tp in sorted(self._waiting)
            if (one := self._roster.partitions.get(tp)) is not None and one.behind()
        )
        found = Condition(
            "kafka", "reading", self._since,
            denied=self._roster.denied.all(),
            waiting=waiting,
            skipped=by_topic(self.readers.skipped()),
            problems=by_topic(self.readers.problems()),
            published_after=self.readers.published_after(self._clock()),
        )  # fmt: skip
        away = consumer.client.all_away()
        if away is None:
            return found
        return msgspec.structs.replace(
            found, state="connecting", since=away.since, why=away.why, next_try=away.next_try
        )

    async def _discover(self) -> None:
        """Takes up new topics and partitions, and lets go of those that are gone."""
        consumer = self._running()
        self._discovered, consumer.other_topics = self._clock(), False
        found = await discover(consumer.client, self._kafka.topics, self._roster.known())
        # The client finds the leaders of those topics only that it was told of.
        await consumer.client.set_topics(list(found.topics))
        await self._roster.follow(consumer, found)
        await self._look_for_cuts(found)

    def _running(self) -> Consumer:
        assert self._consumer is not None, "poll before start"
        return self._consumer

    # Reading

    async def poll(self) -> Batch:
        # A clock that was set back lets nothing new wait.
        late = not 0 <= self._clock() - self._discovered <= DISCOVER_EVERY
        if late or self._running().other_topics:
            await self._discover_again()
        fetched = await self._fetch()
        now = self._clock()
        batch = Batch(now=now, gaps=self._roster.take_gaps())
        batch.partitions += [msgspec.structs.replace(state) for state in self._roster.retire()]
        for tp, records in fetched.items():
            one = self._roster.partitions[tp]
            count, away = await one.reader.readable(records)
            if away is not None:
                self._set_aside(tp, records[count].offset, away)
                records = records[:count]
            if not records:
                continue
            batch.events += one.reader.events(tp.partition, records, now)
            batch.gaps += one.reader.take_gaps()
            times = [record.timestamp * US_PER_MS for record in records]
            one.completeness.read(times)
            if one.state.seen_from is None:
                one.state.seen_from = min(times)
        batch.decoded_in = self._clock() - now
        self._advance(now)
        # Copies: the next poll moves the states on while this batch waits for its commit.
        batch.partitions += [msgspec.structs.replace(state) for state in self._roster.states()]
        return batch

    async def _fetch(self) -> Fetched:
        """The next records; what one partition cannot give does not keep the others from theirs."""
        consumer = self._running()
        if not self._roster.partitions:
            await asyncio.sleep(WAIT_MS / 1000)
            return {}
        if (error := consumer.ended()) is not None:
            await self._connect_anew(error)
            return {}
        consumer.wake()
        some = self._roster.partitions.keys() - self._waiting if self._waiting else ()
        try:
            fetched = await consumer.records(some)
        except KafkaError as error:
            # The client has moved past records that it did not hand out: take them again.
            consumer.seek(self._roster.next_offsets())
            if isinstance(error, OffsetOutOfRangeError):
                await self._realign(error.args[0])
                return {}
            log.warning("source %s: %s; looking for the partition", self.name, error)
            fetched = await self._fetch_one_by_one()
        return await self._held_by_the_log(fetched)

    async def _fetch_one_by_one(self) -> Fetched:
        """Finds the partitions that cannot be read and sets them aside; reads the others."""
        consumer = self._running()
        fetched: Fetched = {}
        for tp, one in self._roster.partitions.items():
            if tp in consumer.resting or tp in self._waiting:
                continue
            try:
                fetched.update(await consumer.records((tp,)))
            except KafkaError as error:
                self._set_aside(tp, one.state.next_offset, error)
        return fetched

    def _set_aside(self, tp: TopicPartition, offset: int, error: Exception) -> None:
        """Leaves a partition alone for a while, to go on at `offset`; its judgements are held."""
        consumer, state = self._running(), self._roster.partitions[tp].state
        consumer.rest(tp, TRY_AGAIN_AFTER)
        consumer.seek({tp: offset})
        state.next_offset = offset
        if state.blocked_since is None:
            state.blocked_since = self._clock()
            log.warning("source %s: blind on %s-%d: %s", self.name, *tp, error)

    def _advance(self, now: int) -> None:
        """Moves every partition's state on to what was read."""
        consumer, polls = self._running(), self._running().fetches.polls
        changed: dict[Change, list[str]] = {"blind": [], "sees": []}
        self._set_back(now)
        for tp, one in self._roster.partitions.items():
            state, before = one.state, one.state.next_offset
            if tp in consumer.resting and state.blocked_since is not None:
                continue
            position = consumer.position(tp)
            change = one.advance(
                position,
                polls.get(tp),
                now,
                transactional=self._transactional,
                excused=consumer.has_records(tp),
            )
            if position != before:
                state.epoch = consumer.epoch_at(tp, position - 1)
            if change is not None:
                changed[change].append(f"{tp.topic}-{tp.partition}")
        if changed["blind"]:
            log.warning("source %s: blind on %s", self.name, listed(changed["blind"]))
        if changed["sees"]:
            log.warning("source %s: sees %s again", self.name, listed(changed["sees"]))
        if self._ahead is not None:
            progress = {
                tp: one.progress(polls.get(tp), readable=tp not in consumer.resting)
                for tp, one in self._roster.partitions.items()
            }
            self._waiting = frozenset(to_wait(progress, self._ahead))

    def _set_back(self, now: int) -> None:
        """What was said of moments that are yet to come is not true, of whatever partition."""
        ahead = [s for s in self._roster.states() if possible(s.complete_to, now) < s.complete_to]
        if not ahead:
            return
        by = format_duration(max(state.complete_to for state in ahead) - now)
        log.warning("source %s: the clock was set back by %s: how far %d partitions are seen is "
                    "found anew", self.name, by, len(ahead))  # fmt: skip
        for state in ahead:
            state.complete_to = NEVER
        for one in self._roster.partitions.values():
            one.see_anew()
        self._running().fetches.polls.clear()

    async def _discover_again(self) -> None:
        try:
            await asyncio.wait_for(self._discover(), DISCOVER_PATIENCE_S)
            self._undiscovered = None
        except (KafkaError, TimeoutError) as error:
            # The bus is away for a while: what is assigned is tried on by the client itself.
            now, why = self._clock(), str(error) or "no answer"
            self._undiscovered = self._undiscovered or Patience(now)
            if self._undiscovered.failed(now, why) and self._running().client.all_away() is None:
                log.warning("source %s: topics cannot be listed now: %s", self.name, why)
            self._discovered = now

    async def _connect_anew(self, error: BaseException) -> None:
        """The library's reading ended by itself: its error is told, and another one goes on."""
        now = self._clock()
        self._ended = self._ended or Patience(now)
        if not self._ended.due(now):
            await asyncio.sleep(WAIT_MS / 1000)
            return
        if self._ended.failed(now, repr(error)):
            log.warning("source %s: reading ended (%r); connecting anew", self.name, error)
        anew = Consumer(self.name, self._kafka, self._security, self._clock)
        try:
            await anew.open()
        except KafkaError:
            await anew.close()
            return
        await self._running().close()
        self._consumer, self._ended = anew, None
        await anew.client.set_topics(sorted({tp.topic for tp in self._roster.partitions}))
        anew.assign(self._roster.next_offsets(), self._roster.topics())

    # What the log no longer holds

    async def _realign(self, offsets: Iterable[TopicPartition]) -> None:
        """The log no longer holds our offset: go on where it does, and say what was lost."""
        consumer, tps = self._running(), list(offsets)
        ends = await ends_of(consumer.client, tps, self._kafka.isolation)
        cuts = await self._roster.offsets.cuts(
            consumer.client, {tp: self._roster.partitions[tp].state for tp in tps}
        )
        topics = self._roster.topics()
        others = await replaced(consumer.client, {tp: topics[tp] for tp in ends})
        consumer.other_topics |= bool(others)
        for tp in ends.keys() - others:
            self._cut_back(tp, cuts.get(tp))
            state = self._roster.partitions[tp].state
            self._roster.offsets.bound(state, ends[tp], sound=tp in cuts)
            consumer.seek({tp: state.next_offset})

    async def _look_for_cuts(self, found: Found) -> None:
        """After a change of leaders: does the new one hold what we have read?"""
        doubtful = {
            tp: one.state
            for tp, one in self._roster.partitions.items()
            if one.state.epoch is not None
            and found.epochs.get(tp, -1) > one.state.epoch
            and one.checked != found.epochs[tp]
        }
        for tp, cut in (await self._roster.offsets.cuts(self._running().client, doubtful)).items():
            self._cut_back(tp, cut)
            self._roster.partitions[tp].checked = found.epochs[tp]

    async def _held_by_the_log(self, fetched: Fetched) -> Fetched:
        """Leaves out what another leader gave, until it is known to hold what we read before."""
        consumer, doubtful = self._running(), {}
        for tp, records in fetched.items():
            one = self._roster.partitions[tp]
            epoch = consumer.epoch_at(tp, records[0].offset)
            if one.state.epoch is not None and epoch not in (one.state.epoch, one.checked):
                doubtful[tp] = one.state
        if not doubtful:
            return fetched
        cuts = await self._roster.offsets.cuts(consumer.client, doubtful)
        for tp, state in doubtful.items():
            if tp in cuts and cuts[tp] is None:
                self._roster.partitions[tp].checked = consumer.epoch_at(tp, fetched[tp][0].offset)
                continue
            del fetched[tp]
            consumer.seek({tp: state.next_offset})
            self._cut_back(tp, cuts.get(tp))
        return fetched

    def _cut_back(self, tp: TopicPartition, offset: int | None) -> None:
        if offset is not None:
            self._roster.cut_back(tp, offset)
            self._running().fetches.forget(tp)
            self._running().seek({tp: offset})
