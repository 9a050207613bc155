"""The contestants of bench/pipeline.py, each run as a process of its own.

`bare` and `tamed` read the topic and look at each record; `nonevent` is everything that
`nonevent run` does with it, without the HTTP server and without sending notifications.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import gc
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from aiokafka import AIOKafkaConsumer

if TYPE_CHECKING:
    # The peers must not carry what they do not need: nonevent is imported where it runs.
    from collector.batch import Batch
    from collector.store.store import Store

NAMES = ("bare", "tamed", "nonevent")


class Task(msgspec.Struct):
    """What to read, and when it counts as done."""

    bootstrap: str
    topic: str
    events: int
    settled_ms: int
    rules: str
    """A file of expectations; empty: none."""
    watch: bool = True
    """Whether consumers are looked at, too."""


class Run(msgspec.Struct):
    """One contestant's figures."""

    contestant: str
    events: int = 0
    wall_s: float = 0.0
    """From before the client connects to the last event read (bare), or committed and judged."""
    cpu_s: float = 0.0
    """User and system time of all threads in that time, of ended child processes too."""
    rss_mb: float = 0.0
    """The most memory that was resident."""
    findings: dict[str, int] = {}
    """Findings that stand at the end, by expectation."""
    transitions: int = 0
    store_mb: float = 0.0
    stages: dict[str, float] = {}
    """CPU s of each stage; only of an instrumented run."""


def cpu_seconds() -> float:
    """User and system time of this process and of its children, those that run included."""
    ended = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    ticks = 0
    for child in children():
        fields = (child / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ended + ticks / os.sysconf("SC_CLK_TCK")


def children() -> list[Path]:
    """The processes that this one has started and that run now, under /proc."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [Path("/proc") / pid for pid in listed]


def peak_mb() -> float:
    """The high-water marks of resident memory, of this process and of its children."""
    return sum(_peak_mb(process) for process in (Path("/proc/self"), *children()))


def _peak_mb(process: Path) -> float:
    for line in (process / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Stopwatch:
    """Wall and CPU time since its making, or since `begin`; `lap` moves the end."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0
        self.begin()

    def begin(self) -> None:
        self._wall, self._cpu = time.perf_counter(), cpu_seconds()

    def lap(self) -> None:
        self.wall_s = time.perf_counter() - self._wall
        self.cpu_s = cpu_seconds() - self._cpu


# The peers


async def read_bare(task: Task, *, tamed: bool) -> Run:
    """As a user would write it: every record is looked at, nothing is kept."""
    if tamed:
        gc.collect()
        gc.freeze()
        gc.set_threshold(1_000_000, 1_000, 1_000)
    watch = Stopwatch()
    consumer = AIOKafkaConsumer(
        task.topic, bootstrap_servers=task.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    tps = consumer.assignment()
    ends = await consumer.end_offsets(tps)
    events = size = 0
    try:
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    events += 1
                    size += len(record.value or b"") + len(record.key or b"")
    finally:
        watch.lap()
        await consumer.stop()
    return Run("tamed" if tamed else "bare", events, watch.wall_s, watch.cpu_s, peak_mb())


# nonevent


async def watch_all(task: Task, folder: Path, *, apart: bool = True) -> Run:
    """The daemon's own watch, without its faces, on a fresh store."""
    from nonevent.clock import clock
    from nonevent.config import Configuration
    from nonevent.garbage import Garbage
    from nonevent.watch import Watch

    configuration = Configuration.model_validate(
        {
            "sources": [
                {
                    "name": "bench",
                    "kafka": {
                        "bootstrap": task.bootstrap,
                        "topics": [task.topic],
                        "start": "earliest",
                        "consumers": {"enabled": task.watch},
                    },
                    "keys": {"order_id": {"from": ["payload:order_id"]}},
                }
            ],
            "expectations": [task.rules] if task.rules else [],
            "store": {"path": folder / "bench.duckdb"},
        }
    )
    watch = Stopwatch()
    finish = Finish(task, watch)
    garbage = Garbage(clock())

    def committed(batch: Batch) -> None:
        garbage.after(batch)
        finish.committed(batch)

    parts = Watch(
        configuration,
        clock=clock,
        sinks=["log"],
        link_base=lambda: "http://127.0.0.1:8321",
        committed=committed,
        # As if watched since ever: what is found is no history, and notifications are written.
        first_start=0,
        more_stages=[finish],
        apart=apart,
    )
    await parts.pick_up()
    garbage.keep()
    watch.begin()
    (tap,) = parts.taps
    try:
        await tap.start()
        running = asyncio.create_task(parts.pipeline.run())
        over = asyncio.create_task(finish.over.wait())
        await asyncio.wait((running, over), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await parts.pipeline.settle()
        rss = peak_mb()
    finally:
        await tap.stop()
    found, transitions, events = _look_up(parts.store)
    parts.store.close()
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return Run(
        "nonevent", events, watch.wall_s, watch.cpu_s, rss, found, transitions, round(size, 1)
    )


class Finish:
    """The last stage: sees that everything is judged, and stops the watch at the last commit."""

    name = "finish"

    def __init__(self, task: Task, watch: Stopwatch) -> None:
        self.over = asyncio.Event()
        self._task, self._watch = task, watch
        self._events = 0
        self._judged: int | None = None
        """The clock of the batch with which the last expectation was judged."""

    def process(self, batch: Batch) -> None:
        settled = min((p.complete_to for p in batch.partitions), default=0)
        if self._judged is None and settled > self._task.settled_ms * 1_000:
            self._judged = batch.now
            self._watch.lap()

    def committed(self, batch: Batch) -> None:
        self._events += batch.count
        if batch.count or batch.rows:
            self._watch.lap()
        done = self._judged is not None and batch.now >= self._judged
        if done and self._events >= self._task.events:
            self.over.set()


def _look_up(store: Store) -> tuple[dict[str, int], int, int]:
    """Findings that stand by expectation, transitions, events: as stored."""
    with store.reader() as cursor:
        rows = cursor.execute(
            "SELECT expectation, count(*) FROM findings WHERE state <> 'retracted' "
            "GROUP BY expectation ORDER BY expectation"
        ).fetchall()
        transitions = cursor.execute("SELECT count(*) FROM finding_log").fetchone()
        events = cursor.execute("SELECT count(*) FROM events").fetchone()
    assert transitions is not None
    assert events is not None
    return dict(rows), int(transitions[0]), int(events[0])


def run_nonevent(task: Task, *, stages: bool, profile: Path | None) -> Run:
    with tempfile.TemporaryDirectory(prefix="nonevent-bench-") as folder:
        if stages:
            from bench.stages import Meter

            with Meter() as meter:
                # In one process: its stages can be timed from outside, and none waits for another.
                run = asyncio.run(watch_all(task, Path(folder), apart=False))
                run.stages = meter.seconds(run.cpu_s)
            return run
        if profile is not None:
            profiler = cProfile.Profile()
            run = profiler.runcall(asyncio.run, watch_all(task, Path(folder), apart=False))
            profiler.dump_stats(profile)
            return run
        return asyncio.run(watch_all(task, Path(folder)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.contestants", description=__doc__)
    parser.add_argument("contestant", choices=NAMES)
    parser.add_argument("--stages", action="store_true", help="CPU of each stage; slows the run")
    parser.add_argument("--profile", type=Path, help="write cProfile's figures of the main thread")
    options = parser.parse_args()
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    if options.contestant == "nonevent":
        run = run_nonevent(task, stages=options.stages, profile=options.profile)
    else:
        run = asyncio.run(read_bare(task, tamed=options.contestant == "tamed"))
    print(msgspec.json.encode(run).decode())


if __name__ == "__main__":
    main()
