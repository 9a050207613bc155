"""What a backtest costs: `nonevent backtest` over a file of the generator's events, and a store.

Each run is a process of its own; CPU is user and system time of all its threads, memory its
high-water mark. It fails when the findings are not exactly those that were put in.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import duckdb
import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.generator import Generator  # noqa: E402
from bench.judge import FIRST_MS, batches, events_of  # noqa: E402
from collector.batch import Batch, PartitionState  # noqa: E402
from collector.event import Event  # noqa: E402
from collector.export import event_line  # noqa: E402
from collector.settings import StoreSettings  # noqa: E402
from collector.times import US_PER_MS, format_time  # noqa: E402
from nonevent.config import Configuration  # noqa: E402
from nonevent.opening import open_store  # noqa: E402

RULES = ROOT / "bench" / "rules.yaml"
FLOWS = 125_000
NONEVENT = """
import atexit, re, sys
from nonevent.cli import main
atexit.register(lambda: print(re.search("VmHWM:(.*) kB", open("/proc/self/status").read())[1],
                              file=sys.stderr))
main()
"""
"""What the system says of a child's memory in the end is at least its parent's."""
EXAMPLES = """
examples:
  python bench/backtest.py                  125,000 flows: a million events
  python bench/backtest.py --flows 20000
"""


class Run(msgspec.Struct):
    """One form of the same events."""

    form: str
    megabytes: float
    seconds: float
    us_per_event: float
    peak_mb: float
    findings: int


class Figures(msgspec.Struct):
    events: int
    flows: int
    rules: int
    runs: list[Run]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=FLOWS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = Generator(options.flows, options.seed, FIRST_MS)
    with tempfile.TemporaryDirectory(prefix="nonevent-bench-") as folder:
        lines, parquet = Path(folder, "events.jsonl"), Path(folder, "events.parquet")
        store = Path(folder, "store.duckdb")
        events = write(generator, lines, store)
        with duckdb.connect() as connection:
            connection.execute("SET memory_limit = '1GB'; SET enable_progress_bar = false")
            connection.execute(
                f"COPY (SELECT * REPLACE (payload::VARCHAR AS payload) FROM read_json('{lines}', "
                "columns={source: 'VARCHAR', topic: 'VARCHAR', topic_id: 'VARCHAR', "
                "partition: 'INT', \"offset\": 'BIGINT', time: 'VARCHAR', arrival: 'VARCHAR', "
                "name: 'VARCHAR', correlation_id: 'VARCHAR', id: 'VARCHAR', payload: 'JSON'})) "
                f"TO '{parquet}'"
            )
        until = format_time((generator.last_ms + 120_000) * US_PER_MS)
        expected = sum(generator.findings.values())
        runs = []
        for form, past in (
            ("JSON Lines", ("--events", lines)),
            ("Parquet", ("--events", parquet)),
            ("store", ("--store", store)),
        ):
            runs.append(run(form, past, until, events, generator.findings))
            print(told(runs[-1]), flush=True)
        figures = Figures(events, options.flows, 8, runs)
    print(f"{events:,} events, {expected:,} findings in each run")
    print(msgspec.json.encode(figures).decode())


def write(generator: Generator, lines: Path, store: Path) -> int:
    """The events as lines and in a store; how many there are."""
    count = 0
    last: dict[int, Event] = {}
    opened = open_store(Configuration(store=StoreSettings(path=store)))
    with lines.open("wb") as file:
        for batch in batches(events_of(generator.records())):
            file.writelines(event_line(event) + b"\n" for event in batch)
            last.update({event.partition: event for event in batch})
            opened.commit(Batch(events=batch)).result()
            count += len(batch)
    states = [
        PartitionState(e.source, e.topic, e.topic_id, e.partition, e.offset + 1, 0, seen_from=0)
        for e in last.values()
    ]
    opened.commit(Batch(partitions=states)).result()
    opened.close()
    return count


def run(form: str, past: tuple[str, Path], until: str, events: int, expected: Counter[str]) -> Run:
    asked = [sys.executable, "-c", NONEVENT, "backtest", "--json", "--rules", str(RULES)]
    asked += [past[0], str(past[1]), "--until", until]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as memory:
        began = os.times().elapsed
        process = subprocess.Popen(
            asked, stdout=said, stderr=memory, cwd=past[1].parent, env=environment()
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = os.times().elapsed - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        memory.seek(0)
        peak = int(memory.read()) / 1024
        told = msgspec.json.decode(said.read())
    found = {
        one["name"]: count
        for one in told["expectations"]
        if (count := one["missing"] + one["late"] + one["violated"])
    }
    if found != dict(expected) or told["events"] != events:
        raise SystemExit(f"{form}: {found} of {told['events']:,} events; expected {expected}")
    cpu = used.ru_utime + used.ru_stime
    size = past[1].stat().st_size / 1e6
    count = sum(found.values())
    return Run(form, size, seconds, cpu / events * 1e6, peak, count)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def told(one: Run) -> str:
    return (
        f"{one.form:<12}{one.megabytes:>8,.0f} MB{one.seconds:>8.1f} s{one.us_per_event:>8.1f} "
        f"CPU µs/event{one.peak_mb:>8,.0f} MB resident"
    )


if __name__ == "__main__":
    main()
