"""What an event costs the tap's process, step by step, beside a bare read of the same topic.

Everything that `nonevent/tap_process.py` does with a batch, in one process: read, decode, columns
and packing, the frame. By the CPU clock of the thread, with the collector tamed as it is there; a
bare loop, tamed as well, runs before each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from analyzer.live import Live
from analyzer.rules.loader import load
from bench.contestants import Task, read_bare
from bench.generator import produce
from collector.decode import Reader
from collector.settings import SourceSettings
from collector.sources import frames
from collector.sources.kafka import KafkaTap
from collector.store.columns import Columns
from demo.broker import Broker
from nonevent.clock import clock
from nonevent.garbage import Garbage

RULES = Path(__file__).resolve().parent / "rules.yaml"
TOPIC = "bench-tap"
FLOWS = 40_000
STEPS = ("client and event loop", "decode", "columns and packing", "frame", "garbage collector")
EXAMPLES = """
examples:
  python bench/tap.py                     320,000 events, five times
  python bench/tap.py --flows 10000       a quick look
"""


class Figures(msgspec.Struct):
    """The last line: what a script reads. Medians of the rounds."""

    events: int
    rounds: int
    bare_us_per_event: float
    """A getmany loop that looks at each record, tamed."""
    tap_us_per_event: float
    steps_us_per_event: dict[str, float]
    blocks_bytes_per_event: float
    """Of headers and payloads, as they are stored."""


class Round:
    """One reading of the whole topic by the tap, its calls timed."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.packed = 0

    async def read(self, task: Task) -> None:
        interest = Live(load([Path(task.rules)]), lambda flows: {}, 0).interest()
        garbage = Garbage(clock())
        tap = KafkaTap(_settings(task), (), clock)
        await tap.start()
        garbage.keep()
        undo = [
            self._time(Reader, "events", "decode"),
            self._time(Columns, "of", "columns and packing"),
        ]
        began, left = time.thread_time(), task.events
        with Path(os.devnull).open("wb") as out:
            while left:
                batch = await tap.poll()
                left -= batch.count
                said = self._timed("frame", frames.Said.of)(batch, tap.condition(), interest)
                self._timed("frame", frames.write)(out, said)
                self.packed += sum(map(len, said.blocks))
                self._timed("garbage collector", garbage.after)(batch)
        took = time.thread_time() - began
        self.spent["frame"] -= self.spent["columns and packing"]  # which it called
        self.spent["client and event loop"] = took - sum(self.spent.values())
        for one in undo:
            one()
        await tap.stop()
        garbage.release()

    def _time(self, owner: Any, name: str, step: str) -> Callable[[], None]:
        original = owner.__dict__[name]
        timed = self._timed(step, getattr(original, "__func__", original))
        setattr(owner, name, classmethod(timed) if isinstance(original, classmethod) else timed)
        return lambda: setattr(owner, name, original)

    def _timed(self, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began = time.thread_time()
            try:
                return call(*arguments)
            finally:
                self.spent[step] += time.thread_time() - began

        return timed


def _settings(task: Task) -> SourceSettings:
    kafka = {"bootstrap": task.bootstrap, "topics": [task.topic], "start": "earliest"}
    keys = {"order_id": {"from": ["payload:order_id"]}}
    return SourceSettings.model_validate({"name": "bench", "kafka": kafka, "keys": keys})


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python bench/tap.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--flows", type=int, default=FLOWS, help=f"of 8 events (default: {FLOWS})")
    parser.add_argument("--rounds", type=int, default=5, help="how often it is read (default: 5)")
    options = parser.parse_args()
    if options.flows < 1 or options.rounds < 1:
        parser.error("--flows and --rounds are at least 1")
    with Broker(num_partitions=1) as broker:
        print(f"{options.flows:,} flows are made", file=sys.stderr, flush=True)
        made = asyncio.run(produce(broker.bootstrap, TOPIC, options.flows, 1))
        task = Task(broker.bootstrap, TOPIC, made.events, made.settled_ms, str(RULES))
        asyncio.run(Round().read(task))  # without counting: the broker's cache is warm
        bare, rounds = [], []
        for _ in range(options.rounds):
            bare.append(asyncio.run(read_bare(task, tamed=True)).cpu_s)
            rounds.append(Round())
            asyncio.run(rounds[-1].read(task))
    us = 1e6 / made.events
    steps = {step: round(median(one.spent[step] for one in rounds) * us, 2) for step in STEPS}
    figures = Figures(
        events=made.events,
        rounds=options.rounds,
        bare_us_per_event=round(median(bare) * us, 2),
        tap_us_per_event=round(median(sum(one.spent.values()) for one in rounds) * us, 2),
        steps_us_per_event=steps,
        blocks_bytes_per_event=round(rounds[0].packed / made.events),
    )
    _print_table(figures)
    print(msgspec.json.encode(figures).decode())


def _print_table(figures: Figures) -> None:
    print(f"\n{figures.events:,} events, {figures.rounds} rounds{'CPU µs/event':>22}")
    for step, us in figures.steps_us_per_event.items():
        print(f"  {step:38}{us:>7.2f}")
    print(f"  {'the tap':38}{figures.tap_us_per_event:>7.2f}")
    print(f"  {'a bare loop':38}{figures.bare_us_per_event:>7.2f}")
    print(f"\n{figures.blocks_bytes_per_event:.0f} bytes an event for headers and payload\n")


if __name__ == "__main__":
    main()
