"""One real Kafka for the whole session, and topics that no other test knows."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from demo.broker import Broker
from demo.errors import BrokerError
from tests.bus.clock import Clock, library
from tests.bus.disk import Disk

RESULTS = Path(__file__).parent.parent / "field-results.jsonl"

CreateTopic = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """In CI a broker that cannot be had is a failure; elsewhere it is skipped, and says why."""
    try:
        started = Broker()
        started.start()
    except (BrokerError, ImportError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs a real Kafka: {error}")
    yield started
    started.stop()


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """One that is not ours, for daemons to live by."""
    found = library()
    if found is None:
        reason = "needs libfaketime: install your system's 'faketime' package"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return Clock(found, tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system that is filled and freed."""
    mounted = Disk(tmp_path / "disk")
    if (why := mounted.mount()) is not None:
        reason = f"no file system of our own ({why}): run as root"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    yield mounted
    mounted.unmount()


@pytest.fixture
def record() -> Callable[..., None]:
    """`record(scenario, **figures)` adds a line to the results that are kept with the code."""

    def write(scenario: str, **figures: object) -> None:
        today = datetime.now(UTC).date().isoformat()
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"date": today, "scenario": scenario, **figures}) + "\n")

    return write


@pytest.fixture
def topic_name() -> str:
    """A name of this test's own; also good as a prefix."""
    return f"test-{uuid.uuid4().hex[:10]}"


@pytest.fixture
async def create_topic(broker: Broker, topic_name: str) -> AsyncIterator[CreateTopic]:
    """`await create_topic()` or `create_topic(name, partitions=3, **configs)`; the name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()

    async def create(name: str = topic_name, partitions: int = 1, **configs: str) -> str:
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
        errors = answer.to_object()["topic_errors"]
        assert [error["error_code"] for error in errors] == [0], errors
        return name

    yield create
    await admin.close()
