"""Whether a record lies between what is committed and the end, or nothing but markers of
transactions: those no consumer reads, and one that counts records never commits past them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest

from collector.consumers.batch_head import heads
from collector.consumers.observation import End, Look, Place

MARKERS = 4
"""So few offsets may be markers alone."""
AT_ONCE = 50
"""Tails that are looked at for the first time, in one round."""
BYTES = 4_096
"""The heads of batches are all that is wanted."""
_READ_COMMITTED = 1


class Tail(NamedTuple):
    place: Place
    topic_id: str
    committed: int
    end: int


class Tails:
    """Remembers what was found, as long as nothing is appended or committed."""

    def __init__(self) -> None:
        self._before: Mapping[Place, End] = {}
        self._known: dict[Tail, bool] = {}

    async def read_to_the_end(
        self, client: AIOKafkaClient, look: Look
    ) -> frozenset[tuple[Place, int]]:
        """Where, and from which committed offset on, there is nothing but markers."""
        doubtful = set(self._doubtful(look))
        known = {tail: only for tail, only in self._known.items() if tail in doubtful}
        fresh = sorted(doubtful - known.keys())[:AT_ONCE]
        self._before, self._known = look.ends, known
        for tail in fresh:
            known[tail] = await _only_markers(client, look.ends[tail.place].leader, tail)
        return frozenset((tail.place, tail.committed) for tail, only in known.items() if only)

    def _doubtful(self, look: Look) -> Iterable[Tail]:
        """A few offsets are left, and the end is still."""
        for commits in look.commits.values():
            for place, committed in commits.items():
                end = look.ends.get(place)
                if end is None or not committed < end.end <= committed + MARKERS:
                    continue
                before = self._before.get(place)
                if before is not None and (before.topic_id, before.end) == (end.topic_id, end.end):
                    yield Tail(place, end.topic_id, committed, end.end)


async def _only_markers(client: AIOKafkaClient, leader: int, tail: Tail) -> bool:
    """False, too, where that cannot be told: what is left counts as work then."""
    place, committed = tail.place, tail.committed
    wanted = [(place.topic, [(place.partition, committed, BYTES)])]
    try:
        answer: Any = await client.send(leader, FetchRequest(0, 0, BYTES, _READ_COMMITTED, wanted))
    except KafkaError:
        return False
    for _, partitions in answer.topics:
        for _, error, _, _, *rest in partitions:
            if error == 0:
                # Where they stand in the answer depends on its version: they are its one list.
                told = next((one for one in rest if isinstance(one, list)), [])
                aborted = [(one[0], one[1]) for one in told]
                return _holds_no_record(rest[-1] or b"", committed, tail.end, aborted)
    return False


def _holds_no_record(
    batches: bytes, committed: int, end: int, aborted: list[tuple[int, int]]
) -> bool:
    """Of the batches from there on; the last of them may be cut off."""
    for head in heads(batches):
        if head.old:
            return False
        if head.last < committed:
            continue
        gone = head.transactional and any(
            producer == head.producer and head.first >= first for producer, first in aborted
        )
        if not (head.control or gone or head.records == 0):
            return False
        if head.last + 1 >= end:
            return True
    return False
