"""An outbox that runs over a real store, and what tests ask of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from analyzer.notification import Notification
from analyzer.outbox import deliveries
from analyzer.outbox.deliveries import SinkState
from analyzer.outbox.explaining import Explain
from analyzer.outbox.outbox import Outbox
from analyzer.sinks.sink import Sink
from analyzer.tables import ANALYZER_TABLES, FINDINGS_VIEW, OUTBOX, OutboxRow
from collector.batch import Batch
from collector.store.store import Store
from nonevent.clock import clock

Until = Callable[[], object]


def open_store(folder: Path) -> Store:
    return Store(folder / "s.duckdb", tables=ANALYZER_TABLES, views=(FINDINGS_VIEW,))


def write(store: Store, *notifications: Notification, sink: str = "hook") -> None:
    """What the alert stage does with these, in one transaction."""
    batch = Batch(now=clock())
    with store.reader() as cursor:
        row = cursor.execute(f"SELECT coalesce(max(seq), 0) FROM {OUTBOX.name}").fetchone()
    assert row is not None
    for seq, one in enumerate(notifications, row[0] + 1):
        body = msgspec.json.encode(one).decode()
        batch.add(OUTBOX.name, OutboxRow(seq, sink, one.fingerprint, body, clock()))
    store.commit(batch).result()


def state(store: Store, sink: str = "hook") -> SinkState:
    with store.reader() as cursor:
        return {one.sink: one for one in deliveries.states(cursor)}[sink]


async def until(holds: Until) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


class Running:
    """An outbox that runs, until the test has seen what it waits for."""

    def __init__(
        self, store: Store, sinks: dict[str, Sink], explain: Explain = lambda fingerprint: None
    ) -> None:
        self.outbox = Outbox(store, sinks, clock, explain=explain)
        self._store = store

    async def __aenter__(self) -> "Running":
        self._task = asyncio.create_task(self.outbox.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def tell(self, *notifications: Notification, sink: str = "hook") -> None:
        write(self._store, *notifications, sink=sink)
        self.outbox.wake()

    async def until(self, holds: Until) -> None:
        def still() -> object:
            assert not self._task.done(), self._task
            return holds()

        await until(still)

    async def tried_with_all_told(self, sink: str = "hook") -> None:
        """A sink in trouble was tried with all that it was told by now: a try that was under way
        knows none of the news, only the second one from here surely knows them all."""
        before = self.outbox.troubles()[sink].tries
        await self.until(lambda: self.outbox.troubles()[sink].tries > before + 1)

    async def settled(self, sink: str = "hook") -> None:
        await self.until(lambda: not state(self._store, sink).waiting)
