"""Which ends each partition was told to have, and when that was asked."""

from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from collector.completeness import Poll


def watch_fetches(
    consumer: AIOKafkaConsumer, polls: dict[TopicPartition, Poll], clock: Callable[[], int]
) -> None:
    """Notes in `polls` when each fetch was sent and which ends it was told.

    The client knows the ends but not the moment of asking, and completeness rests on that: what
    was appended after the question may be missing from the answer.
    """
    client: Any = consumer._client
    send = client.send

    async def watched(node_id: int, request: object, **options: Any) -> Any:
        if not isinstance(request, FetchRequest):
            return await send(node_id, request, **options)
        sent = clock()
        response = await send(node_id, request, **options)
        for topic, partitions in response.topics:
            for partition, error, high_watermark, *rest in partitions:
                if error == 0:
                    stable = rest[0] if rest[0] >= 0 else high_watermark
                    tp = TopicPartition(topic, partition)
                    polls[tp] = Poll(sent, high_watermark, stable)
        return response

    client.send = watched
