"""One real Kafka for the whole session, and topics that no other test knows."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from demo.broker import Broker
from demo.errors import BrokerError
from tests.bus.clock import Clock, library
from tests.bus.disk import ROOMY, Disk
from tests.bus.tally import TALLY
from tests.needing import lacking
from tests.small_disk import a_disk

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "tests" / "field-results.jsonl"
ROUNDS = int(os.environ.get("ROUNDS", "0"))
"""So often each scenario is run, with another seed each time; what came of it is kept."""

HERE = Path(__file__).parent

CreateTopic = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    try:
        started = Broker()
        started.start()
    except (BrokerError, ImportError) as error:
        lacking("a real Kafka", str(error))
    yield started
    started.stop()


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """One that is not ours, for daemons to live by."""
    found = library()
    if found is None:
        lacking("libfaketime", "install your system's 'faketime' package")
    return Clock(found, tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system that is filled and freed."""
    with a_disk(tmp_path / "disk", ROOMY) as folder:
        yield Disk(folder)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In rounds, every scenario here is one of the field's."""
    for item in items:
        if ROUNDS and HERE in item.path.parents and item.get_closest_marker("soak") is None:
            item.add_marker("field")
            item.add_marker(pytest.mark.timeout(1500))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if ROUNDS:
        seeds = range(1, ROUNDS + 1)
        metafunc.parametrize("seed", seeds, indirect=True, ids=[f"seed {n}" for n in seeds])


@pytest.fixture(autouse=True)
def seed(request: pytest.FixtureRequest) -> int:
    """0 in `make test`; of what is left to chance, another one is another run."""
    return int(getattr(request, "param", 0))


@pytest.fixture(autouse=True)
def figures(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """`figures(orders=600)` goes into the line that is kept of a scenario."""
    TALLY.clear()

    def note(**found: object) -> None:
        for name, value in found.items():
            record_property(name, value)

    return note


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """One line for each run of a scenario, whatever came of it."""
    if not ROUNDS or (call.when != "call" and not call.excinfo):
        return
    error = call.excinfo.value if call.excinfo else None
    skipped = isinstance(error, pytest.skip.Exception)
    scenario, _, parameters = item.name.partition("[")
    parameters = parameters.rstrip("]")
    function = getattr(item, "callspec", None)
    number = function.params["seed"] if function else 0
    found = {
        "of": parameters.replace(f"seed {number}", "").strip("-") or None,
        "seed": number,
        "result": "passed" if error is None else "skipped" if skipped else "failed",
        "why": None if error is None else f"{type(error).__name__}: {error}".splitlines()[0][:200],
        "events": TALLY["events"],
        "kills": TALLY["kills"],
        "seconds": round(call.duration, 1),
        "commit": commit(),
    }
    in_words = scenario.removeprefix("test_").replace("_", " ")
    write_result(in_words, **found | dict(item.user_properties))


def write_result(scenario: str, **figures: object) -> None:
    today = datetime.now(UTC).date().isoformat()
    line = {"date": today, "scenario": scenario, **figures}
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({k: v for k, v in line.items() if v is not None}) + "\n")


@functools.cache
def commit() -> str:
    """What was run; with `+` where something was changed since. The results themselves are not."""
    try:
        said = git("describe", "--always", "--exclude=*", "--abbrev=10")
        changed = git("status", "--porcelain", "--", ".", f":!{RESULTS.relative_to(ROOT)}")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said + ("+" if changed else "")


def git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True)
    return done.stdout.decode().strip()


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
