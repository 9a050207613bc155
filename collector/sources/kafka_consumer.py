"""The client library's consumer as the tap needs it: all that reaches into its inside is here."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from collector.settings import KafkaSettings
from collector.sources.kafka_client import REQUEST_TIMEOUT_MS, PatientClient
from collector.sources.kafka_fetch import ids_of
from collector.sources.kafka_fetches import ANOTHER_TOPIC, Fetches
from collector.sources.kafka_records import Answers, Fetched, take
from collector.times import US_PER_S

MAX_RECORDS = 20_000
WAIT_MS = 200
"""How long a poll waits for records: it bounds how long a partition's silence goes untold."""
REST = US_PER_S // 2
"""So long a partition rests that a broker did not read for us: it is asked again soon."""
PREFETCHED = 256 * 2**20
"""Bytes that the client may hold of records that wait for a poll, over all partitions."""
MOST_A_FETCH, LEAST_A_FETCH = 2**20, 2**14


class Consumer:
    """Assigned partitions of one cluster, read from given offsets."""

    def __init__(
        self, source: str, kafka: KafkaSettings, security: dict[str, Any], clock: Callable[[], int]
    ) -> None:
        connection = {
            "bootstrap_servers": kafka.bootstrap,
            "client_id": "nonevent",
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            **security,
        }
        self._clock = clock
        self.fetches = Fetches(self._refused)
        self.client = PatientClient(source, connection, self.fetches, clock)
        self.consumer = AIOKafkaConsumer(
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level=kafka.isolation,
            fetch_max_wait_ms=WAIT_MS,
            retry_backoff_ms=500,
            **connection,
        )
        self.consumer._client = self.client
        self.resting: dict[TopicPartition, int] = {}
        """Partitions that are not asked for, with the moment at which they are again."""
        self._rests = 0
        self.other_topics = False
        """A topic that is read has another ID by now, or is gone: it is time to look around."""

    async def open(self) -> None:
        """Connects; raises KafkaError with what each address said."""
        await self.consumer.start()
        self._fetcher._records = Answers()

    async def close(self) -> None:
        """The library's own end trips over a fetch that rests after a failure: end those first."""
        if (fetcher := self._fetcher) is not None:
            tasks = {fetcher.error_future, *fetcher._pending_tasks}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            fetcher._pending_tasks.clear()
        await self.consumer.stop()

    @property
    def _fetcher(self) -> Any:
        return self.consumer._fetcher

    def ended(self) -> BaseException | None:
        """Why the library reads no more: it would only be silent."""
        reading = self._fetcher.error_future
        if not reading.done():
            return None
        return (None if reading.cancelled() else reading.exception()) or RuntimeError("it ended")

    # Where to read

    def assign(
        self, offsets: Mapping[TopicPartition, int], topics: Mapping[TopicPartition, str]
    ) -> None:
        """Reads these from now on, and no others; `topics`: the IDs of their topics."""
        self.consumer.assign(list(offsets))
        self.fetches.ids = ids_of(topics)
        if offsets:
            most = min(MOST_A_FETCH, max(LEAST_A_FETCH, PREFETCHED // len(offsets)))
            self._fetcher._max_partition_fetch_bytes = most
        for tp in self.resting.keys() - offsets.keys():
            del self.resting[tp]
        self.consumer.pause(*self.resting)
        self.seek(offsets)

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        for tp, offset in offsets.items():
            self.consumer.seek(tp, offset)

    def rest(self, tp: TopicPartition, pause: int) -> None:
        """Does not ask for it for so long (µs)."""
        self.resting[tp] = self._clock() + pause
        self._rests = max(self._rests, pause)
        self.consumer.pause(tp)

    def wake(self) -> None:
        """Asks again for what has rested; a clock that was set back lets nobody rest for ever."""
        now = self._clock()
        for tp, until in list(self.resting.items()):
            if now >= until or until - now > self._rests:
                del self.resting[tp]
                self.consumer.resume(tp)

    def _refused(self, tp: TopicPartition, error: int) -> None:
        """A broker did not read it for us: asked again at once, it would say the same."""
        if tp in self.consumer.assignment():
            self.rest(tp, REST)
            self.other_topics |= error in ANOTHER_TOPIC

    # What is read

    async def records(self, some: Collection[TopicPartition] = ()) -> Fetched:
        """The next records of `some` partitions, or of all; waits a little for them.

        What was fetched of the others stays where it is: to pause them would throw it away.
        """
        return await take(self._fetcher, some, WAIT_MS / 1000, MAX_RECORDS)

    def position(self, tp: TopicPartition) -> int:
        """Up to where it was read. The library's own method would be a wait for each partition."""
        assignment: Any = self.consumer._subscription.subscription
        return int(assignment.assignment.state_value(tp).position)

    def has_records(self, tp: TopicPartition) -> bool:
        """Whether records of it wait here: then it is we who have not taken them."""
        return tp in self._fetcher._records

    def epoch_at(self, tp: TopicPartition, offset: int) -> int | None:
        """The leader's epoch of a record that was fetched lately."""
        line = self.fetches.epochs.get(tp)
        return None if line is None else line.of(offset)
