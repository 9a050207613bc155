"""The topics: made where they are not there yet, and looked at before they are used."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from demo.errors import BrokerError

PARTITIONS = 3
REPLICAS = 3  # where there are so many brokers: a bus may refuse writes to fewer than two


async def create_topics(bootstrap: str, names: Sequence[str]) -> None:
    """A topic that is there already is used as it is."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        brokers = len((await admin.describe_cluster())["brokers"])
        replicas = min(REPLICAS, brokers)
        answer = await admin.create_topics([NewTopic(name, PARTITIONS, replicas) for name in names])
    except KafkaConnectionError as error:
        raise _not_there(bootstrap, error) from error
    finally:
        await admin.close()
    for topic in answer.to_object()["topic_errors"]:
        code = topic["error_code"]
        if code not in (0, TopicAlreadyExistsError.errno):
            reason = topic.get("error_message") or for_code(code).__name__
            raise BrokerError(f"cannot create the topic {topic['topic']} on {bootstrap}: {reason}")


async def used_topics(bootstrap: str, names: Sequence[str]) -> list[str]:
    """Those of the names that are topics with records in them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        there = await admin.list_topics()
        described = await admin.describe_topics([name for name in names if name in there])
    except KafkaConnectionError as error:
        raise _not_there(bootstrap, error) from error
    finally:
        await admin.close()
    places = [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        for partition in topic["partitions"]
    ]
    if not places:
        return []
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        firsts = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    return sorted({place.topic for place in places if firsts[place] < ends[place]})


def _not_there(bootstrap: str, error: KafkaConnectionError) -> BrokerError:
    return BrokerError(f"no Kafka answers on {bootstrap}: {error}. Is it running?")
