"""How long a restart takes with many open flows: with what the last run wrote down, and without.

Fills a store with flows of which the first four events have come, as the daemon does; then starts
the judge on it twice, each time in a process of its own. With `--ties` every event carries a value
that ties, and of every tenth flow one event has another correlation ID.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from analyzer.clocks import Clocks  # noqa: E402
from analyzer.live import Live  # noqa: E402
from analyzer.rules.loader import load  # noqa: E402
from analyzer.stages import JudgeStage  # noqa: E402
from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS, OPEN_FLOWS  # noqa: E402
from bench.judge import BATCH, FIRST_MS, RULES, USUAL, opened, resident, say  # noqa: E402
from collector.batch import Batch, PartitionState  # noqa: E402
from collector.event import Event  # noqa: E402
from collector.store.store import Store  # noqa: E402
from collector.ties import Ties  # noqa: E402
from collector.times import US_PER_MS, US_PER_S  # noqa: E402
from nonevent.garbage import Garbage  # noqa: E402

KEY = "bench"
EXAMPLES = """
examples:
  python bench/restart.py                 1,000,000 open flows
  python bench/restart.py --flows 100000
  python bench/restart.py --ties
"""


class Start(msgspec.Struct):
    flows: int
    wall_s: float
    cpu_s: float
    """Of all threads."""
    bytes_per_flow: float
    """Resident memory that it added, DuckDB's included."""


class Figures(msgspec.Struct):
    flows: int
    ties: bool
    written_s: float
    """CPU: for so long the judge does nothing else when it writes down what it remembers."""
    written_bytes_per_flow: float
    remembered: Start
    read_back: Start


def house(path: Path, flows: int, key: str | None, *, ties: bool) -> tuple[Store, Live, JudgeStage]:
    store = Store(path, tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
    clocks = Clocks({"bench": US_PER_S}, 5 * US_PER_S)
    rules = load([RULES])
    tied = Ties({"bench": frozenset(["order"])}) if ties else None
    live = Live(rules, lambda names: {}, clocks.grace, hot_flows=2 * flows, ties=tied)
    return store, live, JudgeStage(live, clocks.sight, 0, key)


def tied(events: list[Event]) -> list[Event]:
    """Events of whole flows, as they may be where keys tie."""
    found = []
    for number, event in enumerate(events):
        flow, step = divmod(number, len(USUAL))
        (id,) = event.correlation_ids
        parted = flow % 10 == 0 and step == len(USUAL) - 1
        keys = (("order", f"ord-{id}"),)
        ids = (f"{id}-parted" if parted else id,)
        found.append(msgspec.structs.replace(event, correlation_ids=ids, keys=keys))
    return found


def fill(path: Path, flows: int, *, ties: bool) -> tuple[float, float]:
    store, live, judge = house(path, flows, KEY, ties=ties)
    moment = FIRST_MS * US_PER_MS
    seen = [
        PartitionState("bench", "bench-orders", "4KdbYc9aTQ2rDbzkzZmXbA", n, 0, 0,
                       complete_to=moment, seen_from=0)
        for n in range(12)
    ]  # fmt: skip
    garbage = Garbage(moment)
    for number, events in enumerate(opened(flows)):
        batch = Batch(tied(events) if ties else events, seen, now=moment)
        judge.process(batch)
        store.commit(batch).result()
        garbage.after(batch)
        if number % 20 == 0:
            say(f"{number * BATCH:,} flows")
    assert len(live.flows) == flows
    batch = Batch(now=moment)
    began = time.thread_time()
    judge.remember(batch)
    took = time.thread_time() - began
    store.commit(batch).result()
    store.close()
    return took, sum(len(row.data) for row in batch.rows[OPEN_FLOWS.name]) / flows


def start(path: Path, flows: int, key: str | None, *, ties: bool) -> Start:
    store, live, judge = house(path, flows, key, ties=ties)
    Garbage(0)  # which tames the collector, as the daemon does
    before, cpu, wall = resident(), time.process_time(), time.perf_counter()
    judge.restore(store, FIRST_MS * US_PER_MS)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert len(live.flows) == flows
    named = len(set(USUAL) & set(live.names() or USUAL))
    assert {flow.count for flow in live.flows.values()} == {named}
    used = (resident() - before) / flows
    store.close()
    return Start(flows, round(wall, 2), round(cpu, 2), round(used))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--ties", action="store_true", help="where keys tie")
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--key", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.start:
        found = start(options.start, options.flows, options.key, ties=options.ties)
        print(msgspec.json.encode(found).decode())
        return
    with tempfile.TemporaryDirectory(prefix="nonevent-bench-") as folder:
        path = Path(folder) / "bench.duckdb"
        took, size = fill(path, options.flows, ties=options.ties)
        starts = []
        for more in (["--key", KEY], []):
            words = ["--start", str(path), "--flows", str(options.flows), *more]
            words += ["--ties"] if options.ties else []
            done = subprocess.run(
                [sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE
            )
            starts.append(msgspec.json.decode(done.stdout.splitlines()[-1], type=Start))
    figures = Figures(options.flows, options.ties, round(took, 2), round(size), *starts)
    print(f"{options.flows:,} open flows{'wall s':>12}{'CPU s':>10}")
    print(f"{'written down':24}{'':>10}{took:>10.2f}")
    for title, one in (("taken up again", starts[0]), ("read back", starts[1])):
        print(f"{title:24}{one.wall_s:>10.2f}{one.cpu_s:>10.2f}")
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
