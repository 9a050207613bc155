"""The shop's topics, made where they are not there yet."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from demo.errors import BrokerError
from demo.shop.event import TOPICS

PARTITIONS = 3
REPLICAS = 3  # where there are so many brokers: a bus may refuse writes to fewer than two


async def create_topics(bootstrap: str, prefix: str = "") -> list[str]:
    """Their names; a topic that is there already is used as it is."""
    names = [prefix + topic for topic in TOPICS]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        brokers = len((await admin.describe_cluster())["brokers"])
        replicas = min(REPLICAS, brokers)
        answer = await admin.create_topics([NewTopic(name, PARTITIONS, replicas) for name in names])
    except KafkaConnectionError as error:
        raise BrokerError(f"no Kafka answers on {bootstrap}: {error}. Is it running?") from error
    finally:
        await admin.close()
    for topic in answer.to_object()["topic_errors"]:
        code = topic["error_code"]
        if code not in (0, TopicAlreadyExistsError.errno):
            reason = topic.get("error_message") or for_code(code).__name__
            raise BrokerError(f"cannot create the topic {topic['topic']} on {bootstrap}: {reason}")
    return names
