"""Does watching consumers slow the tap? The same topic is read with and without it, alternating.

Fifty groups have committed 200 partitions each, and all of them move on every five seconds, in a
process of its own that runs beside both.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.consumers import EVERY_S, Committers  # noqa: E402
from bench.contestants import Run, Task  # noqa: E402
from bench.pipeline import RULES, contest, generate  # noqa: E402
from bench.pipeline import TOPIC as EVENTS  # noqa: E402
from demo.broker import Broker  # noqa: E402

READY = "ready"
EXAMPLES = """
examples:
  python bench/watching.py                          five pairs over 1.6 million events
  python bench/watching.py --flows 20000 --pairs 2
"""


class Figures(msgspec.Struct):
    groups: int
    partitions: int
    events: int
    pairs: int
    ratios: list[float]
    """Throughput with it by throughput without, in order."""
    ratio: float
    cpu_ratios: list[float]
    """CPU an event, likewise."""
    cpu_ratio: float


async def commit_on(bootstrap: str, groups: int, partitions: int) -> None:
    """All move on, again and again, until this process is ended."""
    committers = Committers(bootstrap, groups, partitions)
    await committers.start()
    print(READY, flush=True)
    while True:
        began = time.monotonic()
        await committers.move_on()
        await asyncio.sleep(max(0.0, began + EVERY_S - time.monotonic()))


@contextlib.contextmanager
def moving_on(bootstrap: str, groups: int, partitions: int) -> Iterator[None]:
    words = ["--commit", bootstrap, "--groups", str(groups), "--partitions", str(partitions)]
    with subprocess.Popen(
        [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline().strip()
            assert said == READY, f"the groups could not be made: {said}"
            yield
            assert process.poll() is None, "the groups no longer move on"
        finally:
            process.kill()


def pair(task: Task, number: int) -> tuple[Run, Run]:
    """With it and without, in another order each time."""
    runs = {}
    for watch in (True, False) if number % 2 else (False, True):
        runs[watch] = contest("nonevent", msgspec.structs.replace(task, watch=watch))
    return runs[True], runs[False]


def measure(flows: int, pairs: int, groups: int, partitions: int) -> Figures:
    ratios, cpu = [], []
    with Broker(num_partitions=1) as broker:
        made = generate(broker, flows, 1)
        task = Task(broker.bootstrap, EVENTS, made.events, made.settled_ms, str(RULES))
        with moving_on(broker.bootstrap, groups, partitions):
            contest("bare", task)  # once without counting: the broker's cache is warm
            for number in range(pairs):
                watched, alone = pair(task, number)
                ratios.append(round(alone.wall_s / watched.wall_s, 3))
                cpu.append(round(watched.cpu_s / alone.cpu_s, 3))
                print(f"pair {number + 1}: throughput {ratios[-1]}, CPU {cpu[-1]}",
                      file=sys.stderr, flush=True)  # fmt: skip
    return Figures(groups, partitions, made.events, pairs, ratios, round(median(ratios), 3), cpu,
                   round(median(cpu), 3))  # fmt: skip


def main() -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # groups that begin try until they may
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--groups", type=int, default=50)
    parser.add_argument("--partitions", type=int, default=200)
    parser.add_argument("--commit", metavar="BOOTSTRAP", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.commit is not None:
        asyncio.run(commit_on(options.commit, options.groups, options.partitions))
        return
    figures = measure(options.flows, options.pairs, options.groups, options.partitions)
    print(
        f"\n{figures.groups} groups on {figures.partitions} partitions each, all of which move on "
        f"every {EVERY_S} s; {figures.events:,} events\n"
        f"throughput with the watch by that without: median {figures.ratio}, "
        f"{min(figures.ratios)} to {max(figures.ratios)}\n"
        f"CPU an event, likewise:                    median {figures.cpu_ratio}, "
        f"{min(figures.cpu_ratios)} to {max(figures.cpu_ratios)}\n"
    )
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
