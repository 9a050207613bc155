"""Where a partition is read from: the store's word, within the log's bounds; else `start`."""

import logging
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from collector.batch import Gap, PartitionState
from collector.settings import KafkaSettings
from collector.times import US_PER_MS, parse_duration, parse_time

log = logging.getLogger(__name__)

Bounds = dict[TopicPartition, int]


class Offsets:
    """Remembers every partition that was ever read, and records what the log no longer holds."""

    def __init__(
        self, kafka: KafkaSettings, known: Sequence[PartitionState], clock: Callable[[], int]
    ) -> None:
        self._kafka = kafka
        self._known = {(state.topic_id, state.partition): state for state in known}
        self._first_start = not known
        self._clock = clock
        self._gaps: list[Gap] = []

    def known(self) -> list[PartitionState]:
        return list(self._known.values())

    def take_gaps(self) -> list[Gap]:
        """The gaps that were found since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    async def states(
        self,
        consumer: AIOKafkaConsumer,
        source: str,
        fresh: dict[TopicPartition, str],
    ) -> dict[TopicPartition, PartitionState]:
        """Each new partition (with its topic's ID) with the offset to begin at.

        `start` counts on the very first start only: what is new later is read from its beginning.
        """
        tps = list(fresh)
        begin, end = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        first = await self._start(consumer, begin, end) if self._first_start else begin
        self._first_start = False
        found = {}
        for tp, topic_id in fresh.items():
            state = self._known.get((topic_id, tp.partition))
            if state is None:
                state = PartitionState(
                    source, tp.topic, topic_id, tp.partition, first[tp], first[tp]
                )
                self._known[(topic_id, tp.partition)] = state
            state.retired = False
            self.bound(state, begin[tp], end[tp])
            found[tp] = state
        return found

    def bound(self, state: PartitionState, begin: int, end: int) -> None:
        """Moves the offset into the log; what retention or truncation took is a gap."""
        if state.next_offset < begin:
            self._record(state, state.next_offset, begin, "retention passed the tap")
            state.next_offset = begin
        elif state.next_offset > end:
            self._record(state, end, state.next_offset, "the log was truncated")
            state.next_offset = end

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

    async def _start(self, consumer: AIOKafkaConsumer, begin: Bounds, end: Bounds) -> Bounds:
        start = self._kafka.start
        if start == "earliest":
            return begin
        if start == "latest":
            return end
        back = parse_duration(start)
        moment = self._clock() - back if back is not None else parse_time(start) or 0
        stamp = max(0, moment // US_PER_MS)
        found = await consumer.offsets_for_times(dict.fromkeys(begin, stamp))
        return {tp: found[tp].offset if found.get(tp) else end[tp] for tp in begin}
