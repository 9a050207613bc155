"""What the answers to fetches say beside their records: ends, epochs, and refusals."""

import uuid
from collections.abc import Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from collector.completeness import Poll
from collector.sources.kafka_epochs import EpochLine
from collector.sources.kafka_fetch import FetchById

TOPIC_AUTHORIZATION_FAILED = 29
UNKNOWN_TOPIC = 3
ANOTHER_TOPIC = frozenset((100, 103))
"""Nothing has the topic's ID any more, or not this partition of it."""
READ_BY_THE_CLIENT = {0, 1}
"""No error, and an offset out of range, which the client hands on with the records."""

Answers = list[tuple[str, list[Any]]]


class Fetches:
    """Notes the ends that each partition was told to have, when that was asked, and its epochs.

    The client knows the ends but not the moment of asking, and completeness rests on that: what
    was appended after the question may be missing from the answer.
    """

    def __init__(self, refused: Callable[[TopicPartition, int], None]) -> None:
        self.ids: dict[TopicPartition, uuid.UUID] = {}
        """By which the topics are asked for that are read now."""
        self.polls: dict[TopicPartition, Poll] = {}
        self.epochs: dict[TopicPartition, EpochLine] = {}
        self._refused = refused
        """Told of each partition that a broker did not read for us, with the error's code."""

    def answered(self, sent: int, topics: Answers) -> Answers:
        """Notes an answer; what is returned is what the client shall see of it."""
        return [
            (topic, [_as_known(one) for one in partitions if self._note(sent, topic, one)])
            for topic, partitions in topics
        ]

    def _note(self, sent: int, topic: str, answer: Any) -> bool:
        partition, error, high_watermark, *rest = answer
        tp = TopicPartition(topic, partition)
        if error == 0:
            stable = rest[0] if rest[0] >= 0 else high_watermark
            self.polls[tp] = Poll(sent, high_watermark, stable)
            if rest[-1]:
                self.epochs.setdefault(tp, EpochLine()).note(rest[-1])
        if error not in READ_BY_THE_CLIENT:
            self._refused(tp, error)
        # Of a topic that it may not read the client would write a line for every answer.
        return bool(error != TOPIC_AUTHORIZATION_FAILED)

    def by_id(self, request: FetchRequest) -> FetchById | None:
        """The same request by the topics' IDs; None where they are not known."""
        return FetchById(request, self.ids) or None

    def forget(self, tp: TopicPartition) -> None:
        self.polls.pop(tp, None)
        self.epochs.pop(tp, None)


def _as_known(answer: Any) -> Any:
    """What the library does not know it would ask for again and again without looking around."""
    partition, error, *rest = answer
    return (partition, UNKNOWN_TOPIC, *rest) if error in ANOTHER_TOPIC else answer
