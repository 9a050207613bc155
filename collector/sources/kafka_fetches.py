"""What the answers to fetches say beside their records: ends, epochs, and refusals."""

from collections.abc import Callable
from typing import Any

from aiokafka import TopicPartition

from collector.completeness import Poll
from collector.sources.kafka_epochs import EpochLine

TOPIC_AUTHORIZATION_FAILED = 29
READ_BY_THE_CLIENT = {0, 1}
"""No error, and an offset out of range, which the client hands on with the records."""

Answers = list[tuple[str, list[Any]]]


class Fetches:
    """Notes the ends that each partition was told to have, when that was asked, and its epochs.

    The client knows the ends but not the moment of asking, and completeness rests on that: what
    was appended after the question may be missing from the answer.
    """

    def __init__(self, refused: Callable[[TopicPartition, int], None]) -> None:
        self.polls: dict[TopicPartition, Poll] = {}
        self.epochs: dict[TopicPartition, EpochLine] = {}
        self._refused = refused
        """Told of each partition that a broker did not read for us, with the error's code."""

    def answered(self, sent: int, topics: Answers) -> Answers:
        """Notes an answer; what is returned is what the client shall see of it."""
        return [
            (topic, [one for one in partitions if self._note(sent, topic, one)])
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

    def forget(self, tp: TopicPartition) -> None:
        self.polls.pop(tp, None)
        self.epochs.pop(tp, None)
