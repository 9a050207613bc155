"""Retention's loop: looks from time to time, decides beside the judge, deletes between batches."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import chain

import duckdb

from analyzer.alerts.retention import forget_old
from analyzer.forgetting import forget_taken_back
from analyzer.outbox.deliveries import forget_settled
from analyzer.stages import JudgeStage
from collector.batch import Batch
from collector.settings import StoreSettings, parse_size
from collector.store import retention
from collector.store.retention import Doomed, Limits
from collector.store.store import Store
from collector.store.tables import OBSERVATIONS, Taken
from collector.store.tied import keep_common, note_deletion
from collector.ties import Key, Seen, Ties, flows_of
from collector.times import US_PER_S, parse_duration
from nonevent.believing import Believed

log = logging.getLogger(__name__)

LOOKS = 100
"""In the time that events are kept: so much later than said they may go."""
OFTEN_S, SELDOM_S = 1.0, 300.0
ON_ITS_WAY = 60 * US_PER_S
"""So long an event may take from its tap to the judge."""


class Keeping:
    """Also a stage: a flow that is touched while it is decided upon is kept."""

    name = "retention"

    def __init__(
        self,
        store: Store,
        settings: StoreSettings,
        judge: JudgeStage,
        clock: Callable[[], int],
        ties: Ties | None = None,
    ) -> None:
        """`ties`: of what the judge has seen."""
        self._store = store
        self.limits = Limits(
            parse_duration(settings.retention) or 0,
            parse_size(settings.max_size) or 0,
            parse_duration(settings.max_flow_age) or 0,
        )
        self._judge = judge
        self._clock = clock
        self._ties = ties
        self._known_common = set() if ties is None else set(ties.common)
        """Of which the store knows that they are."""
        self._touching: list[Seen] | None = None

    def process(self, batch: Batch) -> None:
        if self._touching is not None:
            self._touching.extend(batch.seen())

    async def picked_up(self) -> None:
        """The ties are those of all that is stored: what has no event any more is not common."""
        if self._ties is not None and (unseen := self._ties.drop_unseen()):
            self._known_common -= unseen
            common = frozenset(self._known_common)
            await self._job(lambda connection: keep_common(connection, common))

    async def run(self) -> None:
        pause = min(max(self.limits.age / US_PER_S / LOOKS, OFTEN_S), SELDOM_S)
        believed = Believed(self._clock, lambda: time.monotonic_ns() // 1000)
        while True:
            await asyncio.sleep(pause)
            await self.look(believed())

    async def look(self, now: int | None = None) -> int:
        """Deletes what may go now, or at that moment; how many events that were."""
        now, limits = self._clock() if now is None else now, self.limits
        await self._job(lambda connection: retention.mark(connection, now, limits))
        horizon, last = await asyncio.to_thread(retention.horizons, self._store, now, limits)
        deleted = await self._up_to(last, now, very_old=True)
        deleted += await self._up_to(horizon, now, very_old=False)
        reads = self._judge.live.reads
        await self._job(lambda c: retention.drop_payloads(c, horizon, reads))
        await self._job(lambda c: self._old_rows(c, now))
        if deleted:
            await asyncio.wrap_future(self._store.checkpoint())
            log.info("retention: %d events deleted", deleted)
        return deleted

    async def _up_to(self, horizon: int, now: int, *, very_old: bool) -> int:
        after = deleted = 0
        tied = self._ties is not None
        while True:
            self._touching = []
            try:
                await self._all_committed()
                doomed = await asyncio.to_thread(
                    retention.region, self._store, after, horizon, tied=tied
                )
                if doomed is None:
                    return deleted
                after = doomed.end
                deleted += await self._delete(doomed, now, very_old=very_old)
            finally:
                self._touching = None

    async def _all_committed(self) -> None:
        """What the stages have seen was handed to the store in the same breath: it is in there once
        a job that comes after it is done."""
        await self._job(lambda _: None)

    async def _delete(self, doomed: Doomed, now: int, *, very_old: bool) -> int:
        ties, live, sight = self._ties, self._judge.live, self._judge.sight
        if ties is not None:
            doomed = doomed.tied(ties)
        touching, self._touching = self._touching or (), None
        touched = {flow for event in touching for flow in flows_of(event, ties)}
        doomed.keep(lambda flow: flow in touched or (not very_old and live.is_open(flow, sight)))
        if not doomed.flows and not doomed.untied:
            return 0
        taken = Taken(now - ON_ITS_WAY, doomed.to_time)
        # Whatever comes of these flows from here on is new, and is not deleted with them.
        found, common = self._judge.release(doomed.flows, taken), set[Key]()
        ids_of = {flow: [flow] if ties is None else ties.ids(flow) for flow in doomed.flows}
        if ties is not None:
            common = ties.common - self._known_common
            self._known_common |= common
            ties.forget(chain.from_iterable(ids_of.values()), doomed.gone())
        deleted = 0
        for flows, numbers in doomed.slices():
            ids = [id for flow in flows for id in ids_of[flow]]
            deletion = _Deletion(
                ids=ids, numbers=numbers, findings=list(found), taken=taken, last=doomed.last,
                common=None if ties is None else common,
            )  # fmt: skip
            await self._job(deletion)
            found, common = set(), set()
            deleted += len(set(numbers))  # one may be in several flows
        return deleted

    async def _job(self, job: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        await asyncio.wrap_future(self._store.submit(job))

    def _old_rows(self, connection: duckdb.DuckDBPyConnection, now: int) -> None:
        forget_settled(connection, now - self.limits.age)
        forget_old(connection, now - self.limits.age)
        forget_taken_back(connection, now - self.limits.age)
        for table in OBSERVATIONS:
            connection.execute(
                f"DELETE FROM {table.name} WHERE moment < make_timestamp(?)",
                [now - self.limits.age],
            )


@dataclass(frozen=True, kw_only=True)
class _Deletion:
    """Flows, with what was found in them, and that this was done: in one transaction."""

    ids: list[str]
    """All correlation IDs of these flows."""
    numbers: list[int]
    findings: list[str]
    """About windows that lie before."""
    taken: Taken
    last: int
    """The newest event that was stored when this was decided."""
    common: Collection[Key] | None
    """Where keys tie: of what else is to be known that it is common."""

    def __call__(self, connection: duckdb.DuckDBPyConnection) -> None:
        retention.delete(connection, self.numbers)
        if self.common is not None:
            note_deletion(connection, self.taken.moment, self.last, self.ids, self.common)
        connection.execute(
            "DELETE FROM finding_log WHERE correlation_id IN (SELECT unnest($1::VARCHAR[])) "
            "OR id IN (SELECT unnest($2::VARCHAR[]))",
            [self.ids, self.findings],
        )
        connection.execute("DELETE FROM taken WHERE moment = ?", [self.taken.moment])
        connection.execute(
            "INSERT INTO taken VALUES (?, ?)", [self.taken.moment, self.taken.to_time]
        )
