"""A small process that tells of alerts as a daemon does, to be killed: `STORE URL COUNT SEED`.

It writes COUNT transitions of some alerts, goes on where the store says that it was, and ends when
all are settled.
"""

import asyncio
import random
import sys
from pathlib import Path

import msgspec

from analyzer.notification import Notification
from analyzer.outbox import deliveries, errand, rest
from analyzer.outbox.outbox import Outbox
from analyzer.settings import AlertSettings
from analyzer.sinks.table import make_sinks
from analyzer.tables import ANALYZER_TABLES, OUTBOX, OutboxRow
from collector.batch import Batch
from collector.store.store import Store
from nonevent.clock import clock
from tests.analyzer.sinks.told import resolved, told

ALERTS = 5


def transition(seq: int) -> Notification:
    """The same for the same number: of each alert fire, more, resolve, by turns."""
    alert, step = f"alert-{seq % ALERTS}", seq // ALERTS % 4
    if step == 3:
        return resolved(seq, fingerprint=alert)
    return told(seq, fingerprint=alert, change="new" if step == 0 else "more", count=step + 1)


def written(store: Store) -> int:
    with store.reader() as cursor:
        row = cursor.execute(f"SELECT coalesce(max(seq), 0) FROM {OUTBOX.name}").fetchone()
    return int(row[0]) if row else 0


def waiting(store: Store) -> int:
    with store.reader() as cursor:
        return sum(one.waiting for one in deliveries.states(cursor))


async def run(store: Store, url: str, count: int, chance: random.Random) -> None:
    settings = {"sinks": {"hook": {"webhook": {"url": url, "timeout": 0.5}}}}
    sinks = make_sinks(AlertSettings.model_validate(settings), clock)
    outbox = Outbox(store, sinks, clock)
    task = asyncio.create_task(outbox.run())
    print("up", flush=True)
    for seq in range(written(store) + 1, count + 1):
        one = transition(seq)
        body = msgspec.json.encode(one).decode()
        batch = Batch(now=clock())
        batch.add(OUTBOX.name, OutboxRow(seq, "hook", one.fingerprint, body, clock()))
        await asyncio.wrap_future(store.commit(batch))
        outbox.wake()
        await asyncio.sleep(chance.random() * 0.02)
    while await asyncio.to_thread(waiting, store):
        await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def main() -> None:
    path, url, count, seed = sys.argv[1:]
    rest.FIRST_PAUSE, rest.LONGEST_PAUSE = 10_000, 100_000
    errand.SHORTEST_S = 0.01
    store = Store(Path(path), tables=ANALYZER_TABLES)
    asyncio.run(run(store, url, int(count), random.Random(seed)))
    store.close()


if __name__ == "__main__":
    main()
