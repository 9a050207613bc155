"""The log that bench/query.py fills a store with, made in a process of its own, as a tap does it.

Interleaved flows of eight events, a day of them however many there are: a flow's events lie
`STEP * 8` places apart. Of so many flows one loses its payment.
"""

from __future__ import annotations

import multiprocessing
import queue
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb

from analyzer.clocks import Clocks
from analyzer.live import Live
from analyzer.reading import JUDGED_BY
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from analyzer.stages import JudgeStage
from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS
from collector.batch import Batch, PartitionState
from collector.consumers.observation import WatchRow
from collector.event import Event
from collector.glimpse import glimpses_in
from collector.interest import Interest
from collector.store import observed, reading
from collector.store.columns import Columns
from collector.store.store import Store
from collector.times import US_PER_S
from nonevent.garbage import Garbage

CHUNK = 20_000
STEP = 10_000
"""Flows that begin between two events of one flow."""
DAY = 86_400 * US_PER_S
START = 1_763_600_000 * US_PER_S
NAMES = (
    "order.created", "payment.authorized", "stock.reserved", "order.packed",
    "order.shipped", "order.delivered", "customer.notified", "order.completed",
)  # fmt: skip
PARTITIONS = 12
LOST = 500
LOOK = 5 * US_PER_S
GROUPS = tuple(f"group-{number}" for number in range(50))
"""As many as a house may have; the first of them run the steps of the flows."""
RULES = Path(__file__).resolve().parent / "rules.yaml"


@dataclass(frozen=True)
class Log:
    """So many places make a day; what follows them goes on at that pace."""

    places: int

    def time(self, place: int) -> int:
        return START + place * DAY // self.places

    def flow(self, place: int) -> int:
        """The flow whose event lies there; below 0 where there is none."""
        step = place % len(NAMES)
        return place // len(NAMES) - step * STEP

    def made(self, first: int, count: int) -> list[Event]:
        """The events at these places."""
        padding = random.Random(first).randbytes(400).hex()
        events = []
        for place in range(first, first + count):
            flow, step = self.flow(place), place % len(NAMES)
            if flow < 0 or (step == 1 and flow % LOST == 0):
                continue
            at, draw = self.time(place), place * 2_654_435_761 % 1_000_003
            payload = (
                f'{{"order_id":"ord-{flow:08d}","amount":{flow % 880}.5,'
                f'"occurred_at":{at // 1000},"note":"{padding[draw % 300 : draw % 300 + 450]}"}}'
            )
            headers = f'[["type","{NAMES[step]}"],["correlation_id","c-{flow:08x}"],["n","{draw}"]]'
            events.append(
                Event(
                    "bench", "orders", "orders-id", place % PARTITIONS, place // PARTITIONS, at,
                    at, NAMES[step], (f"c-{flow:08x}",), f"e-{place:x}",
                    (("order_id", f"ord-{flow:08d}"),), f"k{draw}", headers, payload, "json",
                )
            )  # fmt: skip
        return events

    def states(self, place: int) -> list[PartitionState]:
        """Every partition read up to this place, and seen to its end."""
        at = self.time(place)
        return [
            PartitionState(
                "bench", "orders", "orders-id", number, place // PARTITIONS, 0,
                complete_to=at, seen_from=START,
            )
            for number in range(PARTITIONS)
        ]  # fmt: skip

    def rules(self, folder: Path) -> RuleSet:
        """bench/rules.yaml, with deadlines as slow as these flows are."""
        step_s = STEP * len(NAMES) * DAY // self.places // US_PER_S
        path = folder / "rules.yaml"
        slow = re.sub(r"within: \w+", f"within: {3 * step_s + 1}s", RULES.read_text())
        services = [
            f"  {name.partition('.')[0]}-{number}: {{group: {GROUPS[number]}, consumes: {name}, "
            f"emits: {after}}}\n"
            for number, (name, after) in enumerate(pairwise(NAMES))
        ]
        path.write_text(f"{slow}services:\n{''.join(services)}")
        return load([path])

    def watch(self, store: Store, places: int) -> None:
        """What consumers committed until this place, as looks of every five seconds would have
        seen it: each group is two looks behind."""
        store.submit(lambda connection: self._watched(connection, places)).result()

    def _watched(self, connection: duckdb.DuckDBPyConnection, places: int) -> None:
        looks = (self.time(places) - START) // LOOK
        end = f"((look + 2) * {places}::BIGINT // ({looks} * {PARTITIONS}))"
        committed = end.replace("look + 2", "look")
        connection.execute(
            f"""
            INSERT INTO commits SELECT make_timestamp(?::BIGINT + look * ?::BIGINT) AS moment,
                'bench', "group", 'orders', 'orders-id', part, {committed}, moment,
                moment - INTERVAL 5 SECONDS, {end}, moment - INTERVAL 10 SECONDS, false
            FROM range(?) t(look), range(?) p(part), (SELECT unnest(?::VARCHAR[]) AS "group")
            ORDER BY look
            """,
            [START, LOOK, looks, PARTITIONS, list(GROUPS)],
        )
        connection.execute(
            f"""
            INSERT INTO ends SELECT make_timestamp(?::BIGINT + look * ?::BIGINT) AS moment,
                'bench', 'orders', 'orders-id', part, {end}, {end}, moment,
                moment - INTERVAL 5 SECONDS, NULL
            FROM range(?) t(look), range(?) p(part) ORDER BY look
            """,
            [START, LOOK, looks, PARTITIONS],
        )
        connection.execute(
            """
            INSERT INTO consumer_groups SELECT make_timestamp(?::BIGINT + look * ?::BIGINT),
                'bench', "group", 'consumer', 'Stable', 3, make_timestamp(?), NULL
            FROM range(?) t(look), (SELECT unnest(?::VARCHAR[]) AS "group")
            WHERE look % 120 = 0 ORDER BY look
            """,
            [START, LOOK, START, looks, list(GROUPS)],
        )
        watch = WatchRow("bench", START, self.time(places), LOOK, ("*",))
        observed.watch_only(connection, [watch])


Made = tuple[bytes, list[PartitionState], int, Columns]
"""Glimpses, states, the clock, and what is stored."""


def batches(log: Log, first: int, interest: Interest, size: int) -> Iterator[Batch]:
    """Without end, in the order of the log; what is in them is what a tap's process hands on."""
    context = multiprocessing.get_context("spawn")
    made = context.Queue(4)
    maker = context.Process(target=_make, args=(log, first, interest, size, made), daemon=True)
    maker.start()
    try:
        while True:
            try:
                glimpses, states, now, columns = made.get(timeout=60)
            except queue.Empty:
                raise SystemExit("the process that makes the batches has ended") from None
            yield Batch([], states, now=now, columns=columns, glimpses=glimpses_in(glimpses))
    finally:
        maker.kill()
        maker.join()


def _make(
    log: Log, first: int, interest: Interest, size: int, made: multiprocessing.Queue[Made]
) -> None:
    while True:
        events = log.made(first, size)
        first += size
        now = log.time(first)
        made.put((interest.glimpses(events).written(), log.states(first), now, Columns.of(events)))


class House:
    """A store with a judge before it, as the daemon has them; one batch at a time."""

    def __init__(self, path: Path, rules: RuleSet) -> None:
        self.store = Store(path, tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
        clocks = Clocks({"bench": US_PER_S}, 5 * US_PER_S)
        clocks.save(self.store)
        self.store.set_meta(JUDGED_BY, rules.fingerprint())
        self._live = Live(rules, self._load, clocks.grace)
        self._judge = JudgeStage(self._live, clocks.sight, START)
        self._garbage = Garbage(START)

    def interest(self) -> Interest:
        return self._live.interest()

    def runaway(self) -> int:
        return self._live.runaway()

    def take(self, batch: Batch) -> float:
        """How long (s) its commit took."""
        self._judge.process(batch)
        began = time.monotonic()
        self.store.commit(batch).result()
        took = time.monotonic() - began
        self._garbage.after(batch)
        return took

    def _load(self, flows: Sequence[str]) -> dict[str, list[Event]]:
        job = self.store.submit(lambda connection: reading.events_of_flows(connection, flows))
        return job.result()  # type: ignore[no-any-return]  # the job's own result
