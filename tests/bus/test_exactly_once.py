"""Exactly once: a daemon is killed again and again while its bus, its clock and its disk change."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from demo.broker import Broker
from tests.bus.clock import Clock
from tests.bus.disk import Disk
from tests.bus.kills import one_round

KILLS = 20
FEWER_KILLS = 8
SOAK_KILLS = int(os.environ.get("KILLS", "1000"))
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


async def test_each_event_is_stored_once_whenever_the_daemon_is_killed_and_whatever_the_bus_does(
    own_broker: Broker, admin: AIOKafkaAdminClient, tmp_path: Path
) -> None:
    await one_round(own_broker, admin, tmp_path / "round", 1, KILLS)


async def test_each_event_is_stored_once_though_the_clock_jumps_between_the_kills(
    own_broker: Broker, admin: AIOKafkaAdminClient, tmp_path: Path, clock: Clock
) -> None:
    folder = tmp_path / "round"
    await one_round(own_broker, admin, folder, 2, FEWER_KILLS, bus=False, clock=clock)


async def test_each_event_is_stored_once_though_the_disk_is_full_between_the_kills(
    own_broker: Broker, admin: AIOKafkaAdminClient, tmp_path: Path, disk: Disk
) -> None:
    folder = tmp_path / "round"
    await one_round(own_broker, admin, folder, 3, FEWER_KILLS, bus=False, disk=disk)


@pytest.mark.soak
@pytest.mark.timeout(24 * 3600)
async def test_a_thousand_kills(
    own_broker: Broker,
    admin: AIOKafkaAdminClient,
    tmp_path: Path,
    record: Callable[..., None],
    clock: Clock,
    disk: Disk,
) -> None:
    """In rounds, each with another seed; KILLS says how many."""
    total: dict[str, int] = {}
    for seed in range(1_000, 1_000 + max(1, SOAK_KILLS // KILLS_A_ROUND)):
        folder = tmp_path / f"round-{seed}"
        figures = await one_round(
            own_broker, admin, folder, seed, KILLS_A_ROUND, clock=clock, disk=disk
        )
        shutil.rmtree(folder)
        total = {name: total.get(name, 0) + figure for name, figure in figures.items()}
        print(seed, figures, flush=True)
    record("each event once, the daemon killed at random moments", **total)
