"""How quickly the store answers, while a writer goes on at 20,000 events/s.

The questions are those that people ask: a flow by its correlation ID, a flow by a key, the latest
flows, those of a type and state, why a payment is missing, events by minute, the status. They go
the whole way that the API takes, judging included, without HTTP. The store is filled as the daemon
fills it: batches come from another process as columns, and are judged by eight expectations before
they are committed; what was seen of fifty consumer groups is written beside it.
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
from contextlib import closing
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from analyzer.alerts.rows import ALERT_LOG, AlertRow  # noqa: E402
from bench.filling import CHUNK, DAY, LOST, PARTITIONS, START, House, Log, batches  # noqa: E402
from collector.batch import Batch  # noqa: E402
from collector.store import reading  # noqa: E402
from ui import alert_reasons  # noqa: E402
from ui.priority import QUICK_S  # noqa: E402
from ui.store_queries import StoreQueries  # noqa: E402

EVENTS = 10_000_000
FULL = 100_000_000
RATE = 20_000
"""Events a second that the writer commits."""
SMALL = 2_000
"""Events in each of its batches: those of a tap that keeps up."""
PAID = "payment follows order"
ALERT = "f" * 24
ALONE = 300
"""Times that each is asked before the writer begins, at most."""
EXAMPLES = """
examples:
  python bench/query.py                     10 million events
  python bench/query.py --full              100 million; takes more than an hour
  python bench/query.py --events 1000000 --asked 50
"""

Question = Callable[[int], object]


class Times(msgspec.Struct, omit_defaults=True):
    """ms"""

    p50: float
    p99: float
    asked: int
    cpu: float = 0.0
    """Of all threads, asked alone, before the writer begins: it depends on no other work."""
    alone: float = 0.0
    """p50 and p99 of that."""
    alone_p99: float = 0.0


class Figures(msgspec.Struct):
    events: int
    built_s: float
    bytes_per_event: float
    written_per_s: float
    """What the writer reached while it was asked."""
    longest_commit_ms: float
    load: list[float]
    """The machine's, 1, 5 and 15 minutes, at the end."""
    questions: dict[str, Times]


def build(house: House, log: Log, places: int) -> None:
    began = time.monotonic()
    with closing(batches(log, 0, house.interest(), CHUNK)) as made:
        for first in range(0, places, CHUNK):
            house.take(next(made))
            if first // CHUNK % 50 == 0:
                passed = time.monotonic() - began
                say(f"{first:,} of {places:,} events stored, {first / max(passed, 0.1):,.0f}/s")


def raise_alert(house: House) -> None:
    """One that stands for every payment that is missing."""
    with house.store.reader() as cursor:
        ((count,),) = cursor.execute(
            "SELECT count(*) FROM findings WHERE state = 'open' AND expectation = ?", [PAID]
        ).fetchall()
        ((labels,),) = cursor.execute(
            "SELECT DISTINCT labels FROM findings WHERE expectation = ?", [PAID]
        ).fetchall()
    alert = AlertRow(
        1, ALERT, PAID, "order", "firing", "critical", labels, labels, START, START, count,
        None, None, "", None, None, None, START,
    )  # fmt: skip
    house.store.commit(Batch(now=START, rows={ALERT_LOG.name: [alert]})).result()


class Writer(threading.Thread):
    """Goes on where `build` ended, at an even pace."""

    def __init__(self, house: House, log: Log, first: int) -> None:
        super().__init__(daemon=True)
        self._house = house
        self._made = batches(log, first, house.interest(), SMALL)
        self.over = threading.Event()
        self.written = 0
        self.longest = self.seconds = 0.0

    def run(self) -> None:
        batch = next(self._made)
        began = time.monotonic()
        while not self.over.wait(max(0.0, began + self.written / RATE - time.monotonic())):
            self.longest = max(self.longest, self._house.take(batch))
            self.written += batch.count
            batch = next(self._made)
        self.seconds = time.monotonic() - began
        self._made.close()


def questions(queries: StoreQueries, now: int) -> dict[str, Question]:
    """Each is asked with a number of a flow; what they answer is looked at."""

    def flow_by_id(flow: int) -> object:
        found = queries.flow(f"c-{flow:08x}")
        assert found is not None
        assert found.events == 8, found
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

    def latest_of(state: str) -> Question:
        def ask(flow: int) -> object:
            page = queries.flows(type="order", state=state, limit=50)
            assert len(page.items) > 20, f"{len(page.items)} flows that are {state}"
            assert {item.state for item in page.items} == {state}
            return page

        return ask

    def why(flow: int) -> object:
        found = queries.why(f"c-{flow - flow % LOST:08x}")
        assert found is not None
        assert {one.verdict for one in found.items} == {"swallowed"}, found
        return found

    def alert(flow: int) -> object:
        found = queries.reasons(ALERT)
        assert found is not None
        # Flows end beside this, and close what was found in them; the alert's count stays.
        assert found.asked >= min(found.count, alert_reasons.MOST) * 9 // 10, found.text
        return found

    def by_minute(flow: int) -> object:
        page = queries.counts(since=now - DAY, by="name")
        assert len({item.minute for item in page.items}) > 1_000
        return page

    def status(flow: int) -> object:
        found = queries.status()
        assert found.events
        return found

    return {
        "a flow by its correlation ID": flow_by_id,
        "a flow by a key": flow_by_key,
        "the latest 50 flows": latest,
        "the latest 50 open orders": latest_of("open"),
        "the latest 50 failed orders": latest_of("failed"),
        "why a payment is missing": why,
        "why those of an alert are": alert,
        "events by minute and name, a day": by_minute,
        "status": status,
    }


def ask(question: Question, flows: Iterator[int], asked: int, most_s: float) -> Times:
    took: list[float] = []
    question(next(flows))
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


class Alone(msgspec.Struct):
    """ms: the median of CPU, and how long it took."""

    cpu: float
    p50: float
    p99: float


def alone(question: Question, flows: Iterator[int], most_s: float) -> Alone:
    cpu: list[float] = []
    took: list[float] = []
    end = time.monotonic() + most_s
    while not took or (len(took) < ALONE and time.monotonic() < end):
        start, began = time.process_time(), time.monotonic()
        question(next(flows))
        cpu.append((time.process_time() - start) * 1_000)
        took.append((time.monotonic() - began) * 1_000)
    cpu.sort()
    took.sort()
    half, nearly_all = len(took) // 2, len(took) * 99 // 100
    return Alone(round(cpu[half], 1), round(took[half], 1), round(took[nearly_all], 1))


def some_flows(log: Log, places: int) -> Iterator[int]:
    """Whole flows, old and new alike."""
    chance = random.Random(3)
    last = log.flow(places - 1) - 1
    while True:
        flow = chance.randrange(last)
        if flow % LOST:
            yield flow


def measure(
    places: int, asked: int, most_s: float, folder: Path, keep: Path | None, only: list[str]
) -> Figures:
    log = Log(places)
    rules = log.rules(folder)
    path = keep or folder / "bench.duckdb"
    filled = path.exists()
    house = House(path, rules)
    began = time.monotonic()
    if not filled:
        build(house, log, places)
        log.watch(house.store, places)
        raise_alert(house)
    built = time.monotonic() - began
    with house.store.reader() as cursor:
        # A store that was kept was written to when it was asked: the writer goes on behind that.
        stored = max(one.next_offset for one in reading.partitions(cursor)) * PARTITIONS
    queries = StoreQueries(house.store, lambda: rules, running=True, runaway=house.runaway)
    events, size = queries.status().events, house.store.size()
    asking = {
        name: question
        for name, question in questions(queries, log.time(places)).items()
        if not only or any(word in name for word in only)
    }
    before = {name: alone(one, some_flows(log, places), most_s) for name, one in asking.items()}
    writer = Writer(house, log, stored)
    writer.start()
    # As the daemon does while somebody waits for a page.
    sys.setswitchinterval(QUICK_S)
    answered = {}
    for name, question in asking.items():
        answered[name] = ask(question, some_flows(log, places), asked, most_s)
        was = before[name]
        answered[name].cpu, answered[name].alone = was.cpu, was.p50
        answered[name].alone_p99 = was.p99
        say(f"{name}: p50 {answered[name].p50} ms, p99 {answered[name].p99} ms")
    writer.over.set()
    writer.join()
    assert writer.seconds, "the writer has failed; its reason is above"
    house.store.close()
    return Figures(
        events, round(built, 1), round(size / events, 1),
        round(writer.written / max(writer.seconds, 0.1)), round(writer.longest * 1_000, 1),
        [round(load, 1) for load in os.getloadavg()], answered,
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
    parser.add_argument("--seconds", type=float, default=30, help="for each question, at most")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE",
        help="the store; one that is there is asked as it is, by a judge that remembers nothing "
        "of it (give its --events again)",
    )  # fmt: skip
    parser.add_argument("--only", action="append", default=[], help="questions with this word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nonevent-bench-") as folder:
        events = FULL if options.full else options.events
        figures = measure(
            events, options.asked, options.seconds, Path(folder), options.keep, options.only
        )
    print(
        f"\n{figures.events:,} events, {figures.bytes_per_event} bytes each, {os.cpu_count()} cores"
    )
    heads = ("p50 ms", "p99 ms", "asked", "CPU ms", "alone", "p99")
    print(f"\n{'':36}{''.join(f'{head:>10}' for head in heads)}")
    for name, one in figures.questions.items():
        figured = f"{one.p50:>10.1f}{one.p99:>10.1f}{one.asked:>10}{one.cpu:>10.1f}"
        print(f"{name:36}{figured}{one.alone:>10.1f}{one.alone_p99:>10.1f}")
    print(
        f"\nbeside them {figures.written_per_s:,} events/s were written, "
        f"the longest commit took {figures.longest_commit_ms:.0f} ms; load {figures.load}"
    )
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
