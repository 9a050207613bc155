"""Commits exactly and in time, from the topic in which Kafka keeps them: where that may be read.

It is read by the look, from where the last one ended to where it ends now: without a group, and
without a connection of its own. From where nothing is known it begins at the end.
"""

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest

from collector.consumers.commit_log import CommitLog, Keys, Of, thinned
from collector.consumers.matching import group_wanted
from collector.consumers.observation import ExactCommit
from collector.sources.condition import Denied
from collector.sources.kafka_client import PatientClient
from collector.sources.kafka_topics import Topic, topics_named, undescribed
from collector.times import US_PER_MS, US_PER_S

log = logging.getLogger(__name__)

TOPIC = "__consumer_offsets"
DENIED = "grant READ on it; until then commits are seen by asking for them now and then"
BACK = 600 * US_PER_S
"""So far back a restart goes on; after a longer pause it begins at the end."""
BYTES = 256 * 1024
"""At once: some milliseconds of work, in which nobody else gets on."""
MOST_BYTES = 8 * 1024 * 1024
"""Of one broker in one look: what is more is passed over, and its commits are seen by asking."""
MOST_OF_ONE = 10
"""So many commits of a group on a partition are told of one look, and all that there are of few."""
MOST_OF_ALL = 20_000
_UNCOMMITTED, _CONSUMER, _LATEST = 0, -1, -1

Exact = Mapping[Of, Sequence[ExactCommit]]


class CommitTopic:
    """`since`: up to when commits are known already (µs), None where nothing is."""

    def __init__(self, source: str, globs: Sequence[str], since: int | None) -> None:
        self._source = source
        self._keys = Keys(lambda group: group_wanted(globs, group))
        self._since = since
        self._logs: dict[int, CommitLog] = {}
        self._sure: set[int] = set()
        """Partitions that were read to their end by the last look, and nothing is missing since."""
        self._resumed: set[int] = set()
        """Of these, where the clock of a broker told where to go on."""
        self._topic_id: str | None = None
        self._passed_over = False
        """That is said once."""
        self.denied: Denied | None = None

    async def read(self, client: PatientClient, clock: Callable[[], int]) -> Exact:
        """What was committed since the last look, of what was seen whole; up to the moment at which
        this was called, and a little after."""
        node = await client.some_node()
        topic = (await topics_named(client, node, [TOPIC])).get(TOPIC)
        refused = topic is not None and not topic.readable
        if topic is None and await undescribed(client, node, [TOPIC]):
            refused = True
        ended: set[int] = set()
        if topic is not None and not refused:
            if topic.id != self._topic_id:
                self._forget()
                self._topic_id = topic.id
            await self._begin(client, topic, clock())
            refused, ended = await self._read_to_the_end(client, topic)
        if topic is None or refused:
            self._forget()
        self._tell(refused, clock())
        self._since = None  # from here on looks tell what is known
        return self._taken(ended)

    def lost(self) -> None:
        """What was read came to nothing: what is read next does not follow on it."""
        self._sure.clear()

    def _taken(self, ended: set[int]) -> Exact:
        found: dict[Of, Sequence[ExactCommit]] = {}
        for number, one in self._logs.items():
            whole, commits = one.whole, one.take()
            if not (whole and number in ended and number in self._sure):
                continue
            for of, some in commits.items():
                # Where clocks differ, one may have come before the first that was found.
                first = some[0]._replace(not_by=0) if number in self._resumed else some[0]
                found[of] = [first, *some[1:]]
        self._sure, self._resumed = ended, set()
        most = max(1, min(MOST_OF_ONE, MOST_OF_ALL // max(1, len(found))))
        return {of: thinned(commits, most) for of, commits in found.items()}

    # Where to begin

    async def _begin(self, client: PatientClient, topic: Topic, now: int) -> None:
        fresh = [number for number in topic.partitions if number not in self._logs]
        if not fresh:
            return
        since = self._since
        going_on = since is not None and now - since <= BACK
        moment = since // US_PER_MS if since is not None and going_on else _LATEST
        found = await self._positions(client, topic, dict.fromkeys(fresh, moment))
        self._logs |= {number: CommitLog(at, self._keys) for number, at in found.items()}
        if going_on:
            self._sure |= found.keys()
            self._resumed |= found.keys()

    async def _positions(
        self, client: PatientClient, topic: Topic, wanted: Mapping[int, int]
    ) -> dict[int, int]:
        """By moment, or else the end: partitions whose leader is away are left out."""
        found: dict[int, int] = {}
        for node, numbers in _by_leader(topic, wanted).items():
            asked = {number: wanted[number] for number in numbers}
            while asked:
                pairs = list(asked.items())
                try:
                    answer: Any = await client.send(
                        node, OffsetRequest(_CONSUMER, _UNCOMMITTED, [(TOPIC, pairs)])
                    )
                except KafkaError:
                    break
                asked = {}
                for _, partitions in answer.topics:
                    for number, error, _, offset in partitions:
                        if error == 0 and offset >= 0:
                            found[number] = offset
                        elif error == 0 and dict(pairs)[number] != _LATEST:
                            asked[number] = _LATEST  # nothing was committed since
        return found

    # Reading

    async def _read_to_the_end(self, client: PatientClient, topic: Topic) -> tuple[bool, set[int]]:
        """Whether it was refused; and which partitions are read to their end."""
        ended: set[int] = set()
        for node, numbers in _by_leader(topic, self._logs).items():
            behind, left = set(numbers), MOST_BYTES
            while behind and left > 0:
                asked = [(number, self._logs[number].position, BYTES) for number in sorted(behind)]
                request = FetchRequest(0, 0, BYTES, _UNCOMMITTED, [(TOPIC, asked)])
                try:
                    answer: Any = await client.send(node, request)
                except KafkaError:
                    break
                told = [one for _, partitions in answer.topics for one in partitions]
                if not told:
                    return True, set()  # the client leaves out what may not be read
                read = sum(self._take(one, behind, ended) for one in told)
                left -= read
                if not read:
                    break
                await asyncio.sleep(0)  # others get on between
            if left <= 0:
                self._pass_over(behind, f"more is committed than is read of {TOPIC}")
        return False, ended

    def _take(self, answer: Any, behind: set[int], ended: set[int]) -> int:
        """How many bytes there were."""
        number, error, high_watermark, *rest = answer
        one, batches = self._logs[number], rest[-1] or b""
        if error:
            behind.discard(number)
            if error == 1:  # the log was cut, or retention passed us
                del self._logs[number]
            return 0
        try:
            one.read(batches)
        except (KafkaError, ValueError, struct.error) as error:
            self._pass_over({number}, f"{TOPIC}-{number}@{one.position} cannot be read ({error})")
            behind.discard(number)
            return len(batches)
        if one.position >= high_watermark:
            behind.discard(number)
            ended.add(number)
        return len(batches)

    def _pass_over(self, behind: set[int], why: str) -> None:
        """What is not read to its end by one look begins at the end in the next."""
        for number in behind:
            self._logs.pop(number)
        if behind and not self._passed_over:
            self._passed_over = True
            log.warning("source %s: %s: what is passed over is seen by asking for it now and then",
                        self._source, why)  # fmt: skip

    # What is said

    def _forget(self) -> None:
        self._logs.clear()
        self._sure.clear()

    def _tell(self, refused: bool, now: int) -> None:
        if refused and self.denied is None:
            self.denied = Denied(TOPIC, now, DENIED)
            log.warning("source %s: cannot read %s: %s", self._source, TOPIC, DENIED)
        elif not refused and self.denied is not None:
            self.denied = None
            log.warning("source %s: %s may be read now", self._source, TOPIC)


def _by_leader(topic: Topic, numbers: Mapping[int, object]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number in numbers:
        leader = topic.partitions.get(number)
        if leader is not None and leader.node >= 0:
            found.setdefault(leader.node, []).append(number)
    return found
