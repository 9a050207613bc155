"""What became of messages is written down while the next is on its way."""

import asyncio
from collections.abc import Callable

import duckdb

from analyzer.outbox import deliveries
from analyzer.outbox.deliveries import Waiting
from collector.store.store import Store

PARTING_S = 5.0


class Settling:
    """One sink's. At most one transaction is under way; what is settled meanwhile shares the next.
    A crash repeats what was sent since the last of them."""

    def __init__(self, sink: str, store: Store, clock: Callable[[], int]) -> None:
        self._sink = sink
        self._store = store
        self._clock = clock
        self._settled: list[tuple[Waiting, str, int]] = []
        self._writing: asyncio.Task[None] | None = None

    def add(self, one: Waiting, outcome: str) -> None:
        self._settled.append((one, outcome, self._clock()))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def written(self) -> None:
        """Returns when the store has them all: until then they would be found waiting."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def close(self) -> None:
        """At the end what was begun is finished, for the store is closed after that; unless it has
        no room to write."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=PARTING_S)

    async def _write(self) -> None:
        while self._settled:
            some, self._settled = self._settled, []
            await asyncio.wrap_future(self._store.submit(_Job(self._sink, some), shares=True))


class _Job:
    def __init__(self, sink: str, settled: list[tuple[Waiting, str, int]]) -> None:
        self._sink = sink
        self._settled = settled

    def __call__(self, connection: duckdb.DuckDBPyConnection) -> None:
        for one, outcome, moment in self._settled:
            deliveries.settle(connection, self._sink, one, outcome, moment)
