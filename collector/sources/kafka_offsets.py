"""Where a partition is read from: the store's word, within the log's bounds; else `start`."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from msgspec.structs import replace

from collector.batch import Gap, PartitionState
from collector.settings import KafkaSettings
from collector.sources.kafka_client import PatientClient
from collector.sources.kafka_discovery import replaced
from collector.sources.kafka_ends import Ends, ends_of, offsets_at
from collector.sources.kafka_epochs import cut_at, epoch_ends
from collector.times import US_PER_MS, parse_duration, parse_time

log = logging.getLogger(__name__)

States = dict[TopicPartition, PartitionState]

NOT_BEGUN = -1
"""The first offset of a partition that is known, and could not be asked for its offsets yet."""


def root(topic_id: str) -> str:
    """The topic's own ID. A log that was cut back goes on as `ID@1`: its offsets come anew."""
    return topic_id.partition("@")[0]


class Offsets:
    """Remembers every partition that was ever read, and records what the log no longer holds."""

    def __init__(
        self,
        source: str,
        kafka: KafkaSettings,
        known: Sequence[PartitionState],
        clock: Callable[[], int],
    ) -> None:
        self._source = source
        self._kafka = kafka
        self._known = list(known)
        self._current: dict[tuple[str, int], PartitionState] = {}
        for state in sorted(known, key=lambda state: _incarnation(state.topic_id)):
            self._current[root(state.topic_id), state.partition] = state
        self._first_start = all(state.first_offset == NOT_BEGUN for state in known)
        self._clock = clock
        self._gaps: list[Gap] = []

    def known(self) -> list[PartitionState]:
        return self._known

    def is_read(self, tp: TopicPartition, topic_id: str) -> bool:
        """Whether it was ever read, and still belongs to what is."""
        state = self._begun(tp, topic_id)
        return state is not None and not state.retired

    def take_gaps(self) -> list[Gap]:
        """The gaps that were found since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    async def states(
        self,
        client: PatientClient,
        fresh: Mapping[TopicPartition, str],
        late: Collection[TopicPartition],
    ) -> States:
        """Each new partition (with its topic's ID) with the offset to begin at.

        `start` counts on the very first start, and for the `late`, which were there before and
        could not be read. What is new later is read from its beginning. Whose leader is away is
        left out, and what is another topic by now.
        """
        ends = await ends_of(client, fresh, self._kafka.isolation)
        known = {tp: s for tp in ends if (s := self._begun(tp, fresh[tp])) is not None}
        starting = [tp for tp in ends if tp not in known and (self._first_start or tp in late)]
        first = await self._start(client, {tp: ends[tp] for tp in starting})
        cuts = await self.cuts(client, known)
        for tp in await replaced(client, {tp: fresh[tp] for tp in ends}):
            del ends[tp]
        # From here on nothing waits: a step half done would lose its place.
        self._first_start = self._first_start and not ends
        found = {}
        for tp in ends.keys() - (set(starting) - first.keys()):
            state = known.get(tp)
            if state is None:
                state = self.known_as(tp, fresh[tp])
                state.next_offset = state.first_offset = first.get(tp, ends[tp].begin)
            else:
                state.retired = False
                cut = cuts.get(tp)
                state = state if cut is None else self.cut_back(state, cut)
            self.bound(state, ends[tp], sound=tp in cuts)
            found[tp] = state
        return found

    def known_as(self, tp: TopicPartition, topic_id: str) -> PartitionState:
        """Its state; a new one, that has not begun, where there is none."""
        state = self._current.get((topic_id, tp.partition))
        if state is None:
            state = PartitionState(
                self._source, tp.topic, topic_id, tp.partition, NOT_BEGUN, NOT_BEGUN
            )
            self._remember(state)
        state.retired = False
        return state

    def _begun(self, tp: TopicPartition, topic_id: str) -> PartitionState | None:
        state = self._current.get((topic_id, tp.partition))
        return None if state is None or state.first_offset == NOT_BEGUN else state

    def _remember(self, state: PartitionState) -> None:
        self._known.append(state)
        self._current[root(state.topic_id), state.partition] = state

    async def cuts(self, client: PatientClient, states: States) -> dict[TopicPartition, int | None]:
        """Where each log was cut back below what was read of it; None: it holds all of it.

        What is not in the answer cannot be told: nothing was read, its leader is away, or it is
        another topic by now.
        """
        epochs = {tp: state.epoch for tp, state in states.items() if state.epoch is not None}
        ends = await epoch_ends(client, epochs) if epochs else {}
        for tp in await replaced(client, {tp: root(states[tp].topic_id) for tp in ends}):
            del ends[tp]
        return {tp: cut_at(states[tp].next_offset, end) for tp, end in ends.items()}

    def cut_back(self, state: PartitionState, offset: int) -> PartitionState:
        """The same partition from where its log was cut: what is read from there is new."""
        self._record(state, offset, state.next_offset, "the log was truncated")
        number = _incarnation(state.topic_id) + 1
        anew = replace(
            state, topic_id=f"{root(state.topic_id)}@{number}", next_offset=offset,
            first_offset=offset, epoch=None, blocked_since=None, hidden_since=None,
        )  # fmt: skip
        self._remember(anew)
        return anew

    def bound(self, state: PartitionState, ends: Ends, *, sound: bool) -> None:
        """Moves the offset into the log; what retention took is a gap.

        What is `sound` was asked for by its epochs, and the log holds it: an end below it is that
        of the settled transactions.
        """
        if state.next_offset < ends.begin:
            self._record(state, state.next_offset, ends.begin, "retention passed the tap")
            state.next_offset = ends.begin
        elif state.next_offset > ends.end and not sound:
            self._record(state, ends.end, state.next_offset, "the log was truncated")
            state.next_offset = ends.end

    def _record(self, state: PartitionState, start: int, stop: int, reason: str) -> None:
        gap = Gap(
            state.source, state.topic, state.topic_id, state.partition, start, stop, reason,
            state.complete_to, self._clock(), state.carries,
        )  # fmt: skip
        log.warning(
            "source %s: %s-%d has a gap, offsets %d to %d: %s",
            state.source, state.topic, state.partition, start, stop - 1, reason,
        )  # fmt: skip
        self._gaps.append(gap)

    async def _start(
        self, client: AIOKafkaClient, ends: Mapping[TopicPartition, Ends]
    ) -> dict[TopicPartition, int]:
        """As `start` says; what cannot be told now is left out."""
        start = self._kafka.start
        if start == "earliest":
            return {tp: one.begin for tp, one in ends.items()}
        if start == "latest":
            return {tp: one.end for tp, one in ends.items()}
        back = parse_duration(start)
        moment = self._clock() - back if back is not None else parse_time(start) or 0
        stamps = dict.fromkeys(ends, max(0, moment // US_PER_MS))
        found = await offsets_at(client, stamps, self._kafka.isolation)
        return {tp: offset if offset >= 0 else ends[tp].end for tp, offset in found.items()}


def _incarnation(topic_id: str) -> int:
    return int(topic_id.partition("@")[2] or 0)
