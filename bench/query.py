"""How quickly the store answers, while a writer goes on at 20,000 events/s.

The questions are those that people ask: a flow by its correlation ID, a flow by a key, the latest
flows of a type and state, events by minute. They go the whole way that the API takes, judging
included, without HTTP.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from analyzer.clocks import Clocks  # noqa: E402
from analyzer.rules.loader import load  # noqa: E402
from analyzer.tables import ANALYZER_TABLES, FINDINGS_VIEW  # noqa: E402
from collector.batch import Batch, PartitionState  # noqa: E402
from collector.event import Event  # noqa: E402
from collector.store.store import Store  # noqa: E402
from collector.times import US_PER_S  # noqa: E402
from ui.store_queries import StoreQueries  # noqa: E402

EVENTS = 10_000_000
FULL = 100_000_000
RATE = 20_000
"""Events a second, of event time and of the writer's."""
CHUNK = 20_000
STEP = 10_000
"""Flows that begin between two events of one flow: a flow takes half a minute."""
START = 1_763_600_000 * US_PER_S
NAMES = (
    "order.created", "payment.authorized", "stock.reserved", "order.packed",
    "order.shipped", "order.delivered", "customer.notified", "order.completed",
)  # fmt: skip
LOST = 500
"""Of so many flows one loses its payment."""
EXAMPLES = """
examples:
  python bench/query.py                     10 million events
  python bench/query.py --full              100 million; takes the better part of an hour
  python bench/query.py --events 1000000 --asked 50
"""


Question = Callable[[int], object]


class Times(msgspec.Struct):
    """ms"""

    p50: float
    p99: float
    asked: int


class Figures(msgspec.Struct):
    events: int
    built_s: float
    bytes_per_event: float
    written_per_s: float
    """What the writer reached while it was asked."""
    longest_commit_ms: float
    questions: dict[str, Times]


def flow_of(slot: int) -> int:
    """The flow whose event lies at this place of the log; below 0 where there is none."""
    step = slot % len(NAMES)
    return slot // len(NAMES) - step * STEP


def made(first: int, count: int, chance: random.Random) -> list[Event]:
    """The events at these places of the log: interleaved flows, each of eight events."""
    events = []
    padding = chance.randbytes(400).hex()
    for slot in range(first, first + count):
        flow, step = flow_of(slot), slot % len(NAMES)
        if flow < 0 or (step == 1 and flow % LOST == 0):
            continue
        at, draw = START + slot * US_PER_S // RATE, slot * 2_654_435_761 % 1_000_003
        payload = (
            f'{{"order_id":"ord-{flow:08d}","amount":{draw / 100},"occurred_at":{at // 1000},'
            f'"note":"{padding[draw % 300 : draw % 300 + 450]}"}}'
        )
        headers = f'[["type","{NAMES[step]}"],["correlation_id","c-{flow:08x}"],["n","{draw}"]]'
        events.append(
            Event(
                "bench", "orders", "orders-id", slot % 12, slot // 12, at, at, NAMES[step],
                (f"c-{flow:08x}",), f"e-{slot:x}", (("order_id", f"ord-{flow:08d}"),),
                f"k{draw}", headers, payload, "json",
            )
        )  # fmt: skip
    return events


def states(slot: int) -> list[PartitionState]:
    """Every partition read up to this place of the log, and seen to its end."""
    at = START + slot * US_PER_S // RATE
    return [
        PartitionState(
            "bench", "orders", "orders-id", number, slot // 12, 0, complete_to=at, seen_from=START
        )
        for number in range(12)
    ]


def build(store: Store, events: int) -> int:
    chance, began = random.Random(1), time.monotonic()
    for first in range(0, events, CHUNK):
        batch = Batch(made(first, CHUNK, chance), states(first + CHUNK))
        done = store.commit(batch)
        if first // CHUNK % 50 == 0:
            done.result()
            passed = time.monotonic() - began
            say(f"{first:,} of {events:,} events stored, {first / max(passed, 0.1):,.0f}/s")
    done.result()
    return first + CHUNK


class Writer(threading.Thread):
    """Commits a batch a second, as the daemon would; its events are made beforehand."""

    def __init__(self, store: Store, first: int, seconds: int) -> None:
        super().__init__(daemon=True)
        chance = random.Random(2)
        self._store = store
        self._batches = [
            Batch(made(at, CHUNK, chance), states(at + CHUNK))
            for at in range(first, first + seconds * RATE, CHUNK)
        ]
        self.over = threading.Event()
        self.written = 0
        self.longest = self.seconds = 0.0

    def run(self) -> None:
        began = time.monotonic()
        for number, batch in enumerate(self._batches):
            if self.over.wait(max(0.0, began + number * CHUNK / RATE - time.monotonic())):
                break
            start = time.monotonic()
            self._store.commit(batch).result()
            self.longest = max(self.longest, time.monotonic() - start)
            self.written += batch.count
        self.seconds = time.monotonic() - began


def questions(
    queries: StoreQueries, store: Store, slots: int
) -> dict[str, Callable[[int], object]]:
    """Each is asked with a number of a flow; what they answer is looked at."""

    def flow_by_id(flow: int) -> object:
        found = queries.flow(f"c-{flow:08x}")
        assert found is not None
        assert found.events >= 7, found
        return found

    def flow_by_key(flow: int) -> object:
        found = queries.flow(f"ord-{flow:08d}")
        assert found is not None
        assert found.flow == f"c-{flow:08x}"
        return found

    def latest(flow: int) -> object:
        page = queries.flows(limit=50)
        assert len(page.items) == 50
        return page

    def latest_failed(flow: int) -> object:
        page = queries.flows(type="order", state="failed", limit=50)
        assert page.items, "no flow has failed"
        return page

    def by_minute(flow: int) -> object:
        with store.reader() as cursor:
            rows = cursor.execute(
                "SELECT time_bucket(INTERVAL 1 MINUTE, time) AS minute, name, count(*) FROM events "
                "WHERE time >= (SELECT max(time) FROM events) - INTERVAL 1 DAY GROUP BY ALL"
            ).fetchall()
        assert rows
        return rows

    return {
        "a flow by its correlation ID": flow_by_id,
        "a flow by a key": flow_by_key,
        "the latest 50 flows": latest,
        "the latest 50 that failed": latest_failed,
        "events by minute and name, a day": by_minute,
    }


def ask(
    question: Callable[[int], object], flows: Iterator[int], asked: int, most_s: float
) -> Times:
    took: list[float] = []
    began = time.monotonic()
    while len(took) < asked and (not took or time.monotonic() - began < most_s):
        start = time.monotonic()
        question(next(flows))
        took.append((time.monotonic() - start) * 1_000)
    took.sort()
    return Times(
        round(took[len(took) // 2], 1), round(took[min(len(took) - 1, len(took) * 99 // 100)], 1),
        len(took),
    )  # fmt: skip


def some_flows(slots: int) -> Iterator[int]:
    """Flows that have ended, old and new alike."""
    chance = random.Random(3)
    last = flow_of(slots - 1)
    while True:
        flow = chance.randrange(last)
        if flow % LOST:
            yield flow


def measure(events: int, asked: int, most_s: float, folder: Path, only: list[str]) -> Figures:
    path = folder / "bench.duckdb"
    store = Store(path, tables=ANALYZER_TABLES, views=(FINDINGS_VIEW,))
    Clocks({"bench": US_PER_S}, 5 * US_PER_S).save(store)
    began = time.monotonic()
    slots = build(store, events)
    built = time.monotonic() - began
    size = store.size()
    rules = load([ROOT / "bench" / "rules.yaml"])
    queries = StoreQueries(store, lambda: rules)
    asking = questions(queries, store)
    writer = Writer(store, slots, int(len(asking) * most_s) + 5)
    writer.start()
    answered = {}
    for name, question in asking.items():
        if only and not any(word in name for word in only):
            continue
        answered[name] = ask(question, some_flows(slots), asked, most_s)
        say(f"{name}: p50 {answered[name].p50} ms, p99 {answered[name].p99} ms")
    writer.over.set()
    writer.join()
    store.close()
    return Figures(
        slots, round(built, 1), round(size / slots, 1),
        round(writer.written / max(writer.seconds, 0.1)), round(writer.longest * 1_000, 1),
        answered,
    )  # fmt: skip


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} events")
    parser.add_argument("--asked", type=int, default=300, help="times that each is asked, at most")
    parser.add_argument("--seconds", type=float, default=20, help="for each question, at most")
    parser.add_argument("--only", action="append", default=[], help="questions with this word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nonevent-bench-") as folder:
        events = FULL if options.full else options.events
        figures = measure(events, options.asked, options.seconds, Path(folder), options.only)
    print(
        f"\n{figures.events:,} events, {figures.bytes_per_event} bytes each, {os.cpu_count()} cores"
    )
    print(f"\n{'':36}{'p50 ms':>10}{'p99 ms':>10}{'asked':>8}")
    for name, times in figures.questions.items():
        print(f"{name:36}{times.p50:>10.1f}{times.p99:>10.1f}{times.asked:>8}")
    print(
        f"\nbeside them {figures.written_per_s:,} events/s were written, "
        f"the longest commit took {figures.longest_commit_ms:.0f} ms"
    )
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
