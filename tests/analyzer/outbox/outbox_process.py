"""A small process that alerts as a daemon does, to be killed: `STORE LOG SINKS COUNT SEED`.

Findings of some alerts come and go, COUNT times. Each time what the alert stage makes of it is
committed with it, and the outbox tells all SINKS (JSON, as configured; what the log sink says is
added to LOG). It goes on where the store says that it was, and ends when all is settled.
"""

import asyncio
import logging
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from analyzer.alerts.making import make_alerts
from analyzer.finding import Finding
from analyzer.outbox import deliveries, errand, rest
from analyzer.outbox.outbox import Outbox
from analyzer.rules.ruleset import RuleSet
from analyzer.settings import AlertSettings
from analyzer.sight import Sight
from analyzer.sinks.table import make_sinks
from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS, FINDING_LOG, FindingRow
from collector.batch import Batch
from collector.store.store import Store
from nonevent.clock import clock

ALERTS = 5
STEPS = 4
"""Of each alert by turns: new, more, more, resolved."""
ROWS = STEPS
"""So many numbers in the log of findings are kept for each time."""


def step(number: int) -> int:
    return number // ALERTS % STEPS


def in_words(number: int) -> str:
    """Stands in whatever a sink is told of this time: the highest one says which it is."""
    return f"({number:06})"


def transition(number: int, now: int) -> list[FindingRow]:
    """A finding that is new, or all three that are taken back."""
    if step(number) < STEPS - 1:
        return [_row(number, number * ROWS + 1, "open", None, now)]
    before = [number - ALERTS * back for back in range(STEPS - 1, 0, -1)]
    return [
        _row(one, number * ROWS + n, "retracted", f"they came {in_words(number)}", now)
        for n, one in enumerate(before, 1)
        if one >= 0
    ]


def _row(number: int, seq: int, state: str, reason: str | None, now: int) -> FindingRow:
    finding = Finding(
        id=f"f-{number}", expectation=f"alert-{number % ALERTS}", type="order", finding="missing",
        state=state, flow=f"flow-{number}", correlation_id=f"flow-{number}", at=now, deadline=now,
        severity="warning", labels={}, rule_version="1", values=(), activation=None, evidence=(),
        text=f"none came {in_words(number)}",
    )  # fmt: skip
    return FindingRow.of(finding, seq, reason, now, historical=False, news=True)


def next_number(store: Store) -> int:
    with store.reader() as cursor:
        row = cursor.execute(f"SELECT max(seq) FROM {FINDING_LOG.name}").fetchone()
    return 0 if row is None or row[0] is None else int(row[0]) // ROWS + 1


def waiting(store: Store) -> int:
    with store.reader() as cursor:
        return sum(one.waiting for one in deliveries.states(cursor))


async def run(store: Store, settings: AlertSettings, count: int, chance: random.Random) -> None:
    sinks = make_sinks(settings, clock)
    stage = make_alerts(
        settings, {}, tuple(sinks), RuleSet(), store, _nobody_closes, lambda: "http://here",
        lambda: Sight.everything_until(clock()),
    )  # fmt: skip
    outbox = Outbox(store, sinks, clock)
    batch = Batch(now=clock())
    stage.restore(batch)
    await asyncio.wrap_future(store.commit(batch))
    task = asyncio.create_task(outbox.run())
    print("up", flush=True)
    for number in range(next_number(store), count):
        batch = Batch(now=clock())
        for row in transition(number, batch.now):
            batch.add(FINDING_LOG.name, row)
        stage.process(batch)
        await asyncio.wrap_future(store.commit(batch))
        outbox.wake()
        await asyncio.sleep(chance.random() * 0.02)
    while await asyncio.to_thread(waiting, store):
        await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _nobody_closes(batch: Batch, rows: Sequence[FindingRow], by: str, why: str) -> None:
    raise AssertionError("nobody closes anything here")


def main() -> None:
    path, log, sinks, count, seed = sys.argv[1:]
    rest.FIRST_PAUSE, rest.LONGEST_PAUSE = 10_000, 100_000
    errand.SHORTEST_S = 0.01
    logging.getLogger("nonevent.alerts").addHandler(logging.FileHandler(log))
    written: dict[str, Any] = {"group_interval": "0s", "sinks": msgspec.json.decode(sinks)}
    store = Store(Path(path), tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
    settings = AlertSettings.model_validate(written)
    asyncio.run(run(store, settings, int(count), random.Random(seed)))
    store.close()


if __name__ == "__main__":
    main()
