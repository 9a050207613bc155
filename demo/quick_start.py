"""What Java notes of one start of Kafka, so that each later one takes half as long.

    python -m demo.quick_start

Tests start many brokers, and run this first. Who starts one now and then does without: making the
notes costs as much as some starts. Java itself sees to it that those of another Java or of other
jars are not used.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import tempfile
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from demo.broker import Broker
from demo.errors import BrokerError
from demo.kafka_jars import class_path, java, notes_file, only_one_process

PATIENCE = 120.0
"""Seconds that a broker may take to write its notes when it ends."""
TOPIC = "warm-up"


def prepare() -> Path:
    """The file that brokers look for; the first call on a machine makes it."""
    jars = class_path()
    file = notes_file()
    with only_one_process():
        if file.exists():
            return file
        print("Kafka is started once, so that it starts in half the time from now on …", flush=True)
        with tempfile.TemporaryDirectory(prefix="nonevent-kafka-") as name:
            folder = Path(name)
            seen, partial = folder / "seen", file.with_suffix(".partial")
            recording = ("-XX:AOTMode=record", f"-XX:AOTConfiguration={seen}")
            broker = Broker(folder / "kafka", java_options=recording)
            with broker:
                asyncio.run(_used(broker.bootstrap))
                broker.stop(PATIENCE)
            making = ("-XX:AOTMode=create", f"-XX:AOTConfiguration={seen}")
            made = subprocess.run(
                [java(), *making, f"-XX:AOTCache={partial}", "-XX:+UseSerialGC", "-cp",
                 ":".join(map(str, jars))],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if made.returncode or not partial.exists():
                raise BrokerError(f"Java made no notes of a start of Kafka: {made.stderr}")
            partial.replace(file)
    return file


async def _used(bootstrap: str) -> None:
    """What most tests do with a broker: what is loaded for it is noted, too."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=TOPIC)
    await producer.start()
    async with producer.transaction():
        await producer.send(TOPIC, b"{}")
    await producer.stop()
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=bootstrap, group_id=TOPIC, auto_offset_reset="earliest"
    )
    await consumer.start()
    await consumer.getone()
    await consumer.commit()
    await consumer.stop()


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new broker is not ready at once
    try:
        prepare()
    except BrokerError as error:
        raise SystemExit(str(error)) from None
