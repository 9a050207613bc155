"""Delivery: from the outbox in the store to the sinks, at least once, in order, for ever."""

import asyncio
import logging
from collections.abc import Callable

import duckdb
import msgspec

from analyzer.notification import Notification
from analyzer.reading import undelivered
from analyzer.sinks.sink import NotDelivered, Sink
from analyzer.tables import OutboxRow
from collector.store.store import Store

log = logging.getLogger(__name__)

LIMIT = 100
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 60.0


class Outbox:
    """One task a sink, so that a sink that hangs delays no other."""

    def __init__(self, store: Store, sinks: dict[str, Sink], clock: Callable[[], int]) -> None:
        self._store = store
        self._sinks = sinks
        self._clock = clock
        self._news = {name: asyncio.Event() for name in sinks}

    def wake(self) -> None:
        """Something was committed that may hold notifications."""
        for event in self._news.values():
            event.set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, sink in self._sinks.items():
                    tasks.create_task(self._serve(name, sink), name=f"outbox {name}")
        finally:
            for sink in self._sinks.values():
                await sink.close()

    async def _serve(self, name: str, sink: Sink) -> None:
        pause = FIRST_PAUSE
        while True:
            self._news[name].clear()
            waiting = await asyncio.to_thread(self._waiting, name)
            if not waiting:
                await self._news[name].wait()
                continue
            try:
                for row in waiting:
                    await sink.deliver(msgspec.json.decode(row.body, type=Notification))
                    await self._mark(row)
                    pause = FIRST_PAUSE
            except NotDelivered as error:
                log.warning("sink %s: %s; %s waiting, next try in %g s", name, error,
                            len(waiting), pause)  # fmt: skip
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _waiting(self, name: str) -> list[OutboxRow]:
        with self._store.reader() as cursor:
            return undelivered(cursor, name, LIMIT)

    async def _mark(self, row: OutboxRow) -> None:
        """Taken: remembered before the next one is sent, so that a crash repeats one at most."""
        moment = self._clock()

        def job(connection: duckdb.DuckDBPyConnection) -> None:
            connection.execute(
                "UPDATE outbox SET delivered = make_timestamp(?::BIGINT), outcome = 'taken' "
                "WHERE seq = ?",
                [moment, row.seq],
            )

        await asyncio.wrap_future(self._store.submit(job))
