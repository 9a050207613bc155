"""The way of a batch: polled by a tap, through the stages, into the store, in one transaction."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from collector.batch import Batch, Stage
from collector.sources.tap import LINGER_S, SMALL, Tap
from collector.store import reading
from collector.store.store import Store
from collector.times import US_PER_S

log = logging.getLogger(__name__)

QUEUE = 2
"""Batches that wait for the stages: what is behind them waits on the bus."""
TICK_S = 1.0
"""The stages see a batch at least so often, if need be an empty one."""
UNSTORED = 5_000
"""Events that wait for their commit while the stages go on, or one batch of more than that."""
COMMITS = 4
"""And so many batches: after a pause of the store, small ones that wait are one transaction."""
QUIET_COMMIT = US_PER_S
"""A source's completeness alone is written so often, whatever others have to tell."""


class _Commit(NamedTuple):
    stored: Future[Any]
    told: asyncio.Future[None]
    events: int


class Pipeline:
    """All taps of the daemon, one line of stages, one store."""

    def __init__(
        self,
        taps: Sequence[Tap],
        stages: Sequence[Stage],
        store: Store,
        committed: Callable[[Batch], None],
        clock: Callable[[], int],
    ) -> None:
        self._taps = taps
        self._stages = stages
        self._store = store
        self._committed = committed
        self._clock = clock
        self._queue: asyncio.Queue[Batch] = asyncio.Queue(maxsize=QUEUE)
        self._commits: deque[_Commit] = deque()
        """Under way, oldest first."""
        self._told_of: dict[str, int] = {}
        """When it was last written how far each source is seen."""
        self._handed_over = True
        """Whether the store was given every batch that the stages have seen."""

    async def run(self, start: Callable[[Tap], Awaitable[None]] | None = None) -> None:
        """Until cancelled, or until a tap or the store fails. `start` brings a tap to its bus; one
        whose bus is away holds no other back."""
        async with asyncio.TaskGroup() as tasks:
            for tap in self._taps:
                tasks.create_task(self._read(tap, start), name=f"tap {tap.name}")
            tasks.create_task(self._pass_on(), name="stages")

    def queued(self) -> int:
        """Batches that wait for the stages, of the QUEUE that may."""
        return self._queue.qsize()

    async def _read(self, tap: Tap, start: Callable[[Tap], Awaitable[None]] | None) -> None:
        if start is not None:
            await start(tap)
        while True:
            batch = await tap.poll()
            await self._queue.put(batch)
            if batch.count < SMALL and not tap.paced:
                await asyncio.sleep(LINGER_S)

    async def _pass_on(self) -> None:
        while True:
            try:
                async with asyncio.timeout(TICK_S):
                    batch = await self._queue.get()
            except TimeoutError:
                # The bus is silent or away: what depends on time alone goes on.
                batch = Batch(now=self._clock())
            await self.take(batch)

    async def take(self, batch: Batch) -> None:
        """One batch through all stages; its commit overlaps with the stages of the next ones."""
        if batch.may_repeat and batch.events:
            events = batch.events
            batch.events = await asyncio.wrap_future(
                self._store.submit(lambda connection: reading.unseen(connection, events))
            )
        self._handed_over = False
        for stage in self._stages:
            stage.process(batch)
        if self._worth_a_commit(batch):
            before = self._commits[-1].stored if self._commits else None
            stored = self._store.commit(batch, after=before)
            told = asyncio.ensure_future(self._announce(asyncio.wrap_future(stored), batch))
            self._commits.append(_Commit(stored, told, batch.count))
        self._handed_over = True
        await self._settle_all_but(COMMITS, UNSTORED)

    def _worth_a_commit(self, batch: Batch) -> bool:
        """Completeness alone can wait a little; whatever else a batch holds comes only once."""
        if not batch.partitions and not batch.rows:
            return False
        once = batch.count or batch.gaps or batch.rows or any(p.retired for p in batch.partitions)
        if not batch.partitions:
            return True
        source = batch.partitions[0].source  # a batch is of one tap
        # Not later than that either when the clock was set back.
        if once or not 0 <= batch.now - self._told_of.get(source, 0) <= QUIET_COMMIT:
            self._told_of[source] = batch.now
            return True
        return False

    async def _announce(self, commit: Awaitable[Any], batch: Batch) -> None:
        await commit
        self._committed(batch)

    async def all_stored(self) -> bool:
        """After `run` was cancelled: whether all that the stages have seen is stored."""
        await self.settle()
        return self._handed_over

    async def settle(self) -> None:
        """Waits for the commits under way; their failure is this call's."""
        await self._settle_all_but(0, 0)

    async def _settle_all_but(self, commits: int, events: int) -> None:
        waiting = self._commits
        while waiting and (
            waiting[0].told.done()
            or len(waiting) > commits
            or (len(waiting) > 1 and sum(one.events for one in waiting) > events)
        ):
            # Whoever stops waiting stops nothing; what failed stays, and is said again.
            await asyncio.shield(waiting[0].told)
            waiting.popleft()
