"""Exactly once: a daemon is killed again and again while its bus, its clock and its disk change."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from demo.broker import Broker
from tests.bus.clock import Clock
from tests.bus.conftest import commit, write_result
from tests.bus.disk import Disk
from tests.bus.kills import one_round

Figures = Callable[..., None]

KILLS = 14
FEWER_KILLS = 5
SOAK_KILLS = int(os.environ.get("KILLS", "1000"))
FIRST_ROUND = int(os.environ.get("ROUND", "1"))
"""A soak that was stopped goes on with this one, and what it was before is in the results."""
KILLS_A_ROUND = 50
"""A restart reads the whole store back: in a round it stays small enough to be killed often."""


@pytest.fixture
def own_broker(broker: Broker, tmp_path: Path) -> Iterator[Broker]:
    """Another one than everybody's: it is killed."""
    with Broker(tmp_path / "kafka") as started:
        yield started


@pytest.fixture
async def admin(own_broker: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    started = AIOKafkaAdminClient(bootstrap_servers=own_broker.bootstrap)
    await started.start()
    yield started
    await started.close()


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_each_event_is_stored_once_whenever_the_daemon_is_killed_and_whatever_the_bus_does(
    own_broker: Broker, admin: AIOKafkaAdminClient, tmp_path: Path, seed: int, figures: Figures
) -> None:
    figures(**await one_round(own_broker, admin, tmp_path / "round", 1 + 10 * seed, KILLS))


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_each_event_is_stored_once_though_the_clock_jumps_between_the_kills(
    own_broker: Broker, admin: AIOKafkaAdminClient, tmp_path: Path, seed: int, figures: Figures,
    clock: Clock,
) -> None:  # fmt: skip
    found = await one_round(
        own_broker, admin, tmp_path / "round", 2 + 10 * seed, FEWER_KILLS, bus=False, clock=clock
    )
    figures(**found)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_each_event_is_stored_once_though_the_disk_is_full_between_the_kills(
    own_broker: Broker, admin: AIOKafkaAdminClient, tmp_path: Path, seed: int, figures: Figures,
    disk: Disk,
) -> None:  # fmt: skip
    found = await one_round(
        own_broker, admin, tmp_path / "round", 3 + 10 * seed, FEWER_KILLS, bus=False, disk=disk
    )
    figures(**found)


@pytest.mark.soak
@pytest.mark.timeout(24 * 3600)
async def test_a_thousand_kills(
    own_broker: Broker, admin: AIOKafkaAdminClient, tmp_path: Path, clock: Clock, disk: Disk
) -> None:
    """In rounds, each with another seed; KILLS says how many. What was reached is kept, also
    when it is stopped early."""
    soak = asyncio.current_task()
    assert soak is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, soak.cancel)
    total: Counter[str] = Counter()
    began, result = time.monotonic(), "stopped"
    try:
        rounds = max(1, SOAK_KILLS // KILLS_A_ROUND)
        for seed in range(999 + FIRST_ROUND, 999 + FIRST_ROUND + rounds):
            folder = tmp_path / f"round-{seed}"
            figures = await one_round(
                own_broker,
                admin,
                folder,
                seed,
                min(SOAK_KILLS, KILLS_A_ROUND),
                clock=clock,
                disk=disk,
            )
            shutil.rmtree(folder)
            for left in disk.folder.iterdir():
                left.unlink()
            clock.jumps = disk.fills = 0
            total.update(figures, rounds=1)
            print(seed, figures, flush=True)
        result = "passed"
    except Exception:
        result = "failed"
        raise
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        write_result(
            "each event once, the daemon killed at random moments",
            result=result,
            first_round=FIRST_ROUND,
            asked=SOAK_KILLS,
            **total,
            seconds=round(time.monotonic() - began),
            commit=commit(),
        )
