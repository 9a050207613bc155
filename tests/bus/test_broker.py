from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from demo import kafka_jars, quick_start
from demo.broker import Broker
from demo.errors import BrokerError
from demo.metadata import brokers_that_answer
from tests.bus.reading import read_all

PATIENCE = 30.0  # seconds

STARTS_ONE_AND_WAITS = """
import time
from demo.broker import Broker
broker = Broker()
broker.start()
print(broker.pid, broker.folder, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def own_broker(broker: Broker) -> Iterator[Broker]:
    """One that may be stopped and killed; `broker` comes first, for it knows when to skip."""
    with Broker() as started:
        yield started


async def publish(broker: Broker, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def values(broker: Broker, topic: str) -> list[bytes | None]:
    records = await read_all(broker.bootstrap, [topic], partitions=1)
    return [record.value for record in records]


async def new_topic(broker: Broker, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


def is_running(pid: int) -> bool:
    """Also false for a process that is dead and only waits to be collected."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_broker_answers_on_a_port_that_no_client_is_given(broker: Broker) -> None:
    assert brokers_that_answer("127.0.0.1", broker.port) == 1
    assert broker.port < 32_768


async def test_a_topic_is_not_made_by_asking_for_it(broker: Broker, topic_name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.describe_topics([topic_name])
        assert topic_name not in await admin.list_topics()
    finally:
        await admin.close()


async def test_a_restart_keeps_the_data(own_broker: Broker, topic_name: str) -> None:
    await new_topic(own_broker, topic_name)
    await publish(own_broker, topic_name, b"before")
    pid = own_broker.pid
    own_broker.restart()
    assert own_broker.pid != pid
    assert await values(own_broker, topic_name) == [b"before"]


async def test_a_kill_leaves_no_process_and_a_new_start_has_the_data(
    own_broker: Broker, topic_name: str
) -> None:
    await new_topic(own_broker, topic_name)
    await publish(own_broker, topic_name, b"before")
    pid = own_broker.pid
    assert pid is not None
    own_broker.kill()
    assert not is_running(pid)
    assert own_broker.pid is None
    assert brokers_that_answer("127.0.0.1", own_broker.port) == 0
    own_broker.start()
    assert await values(own_broker, topic_name) == [b"before"]


def test_the_end_removes_the_folder_that_it_made(own_broker: Broker) -> None:
    assert own_broker.folder.exists()
    own_broker.stop()
    assert not own_broker.folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
def test_it_dies_with_a_parent_that_is_killed(broker: Broker) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE_AND_WAITS], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert is_running(int(pid))
        os.kill(parent.pid, signal.SIGKILL)
    give_up = time.monotonic() + PATIENCE
    while is_running(int(pid)):
        assert time.monotonic() < give_up, "the broker outlives its parent"
        time.sleep(0.05)
    shutil.rmtree(folder)


def test_later_starts_skip_the_resolver(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> list[Path]:
        raise AssertionError("asked the resolver again")

    monkeypatch.setattr(kafka_jars, "resolve", refuse)
    jars = kafka_jars.class_path()
    assert any(jar.name.startswith("kafka-clients-") for jar in jars)


def test_it_starts_from_what_java_noted_of_an_earlier_start(broker: Broker, tmp_path: Path) -> None:
    notes = quick_start.prepare()
    assert notes == kafka_jars.notes_file()
    began = notes.stat().st_mtime_ns
    assert quick_start.prepare().stat().st_mtime_ns == began, "they are made once"
    loaded = tmp_path / "loaded"
    with Broker(java_options=(f"-Xlog:class+load:file={loaded}",)):
        found = loaded.read_text().splitlines()
    noted = [line for line in found if "source: shared objects file" in line]
    assert len(noted) > 0.8 * len(found) > 4_000


@pytest.mark.parametrize("content", [None, b"not what Java wrote"])
def test_without_notes_or_with_spoilt_ones_it_starts_as_well(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    notes = tmp_path / "notes.aot"
    if content is not None:
        notes.write_bytes(content)
    monkeypatch.setattr("demo.broker.notes_file", lambda: notes)
    with Broker() as started:
        assert brokers_that_answer("127.0.0.1", started.port) == 1


def test_a_setting_that_kafka_refuses_is_told_with_the_end_of_its_log(broker: Broker) -> None:
    refused = Broker(properties={"num.io.threads": "many"})
    with pytest.raises(BrokerError, match=r"(?s)The end of its log:.*num\.io\.threads"):
        refused.start()
    assert refused.pid is None
    assert not refused.folder.exists()


def test_a_port_that_is_taken_is_told_at_once() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = Broker(port=port)
        with pytest.raises(BrokerError, match=f"port {port} of 127.0.0.1 is taken"):
            refused.start()
        refused.stop()
