"""The judge's step in a batch's way to its commit."""

from collections.abc import Callable, Iterable, Sequence

import duckdb
import msgspec

from analyzer.consumers.consumed import CommitsInMemory
from analyzer.consumers.live_lags import LiveLags
from analyzer.consumers.stored import commits_in
from analyzer.finding import Finding
from analyzer.folds.live import LiveFolds, nothing
from analyzer.live import Live
from analyzer.reading import findings, next_seq, remembered
from analyzer.rules.ruleset import RuleSet
from analyzer.sight import Sight
from analyzer.tables import FINDING_LOG, OPEN_FLOWS, FindingRow, OpenFlows
from analyzer.transition import Transition
from collector.batch import Batch, Gap, PartitionState
from collector.interest import Interest
from collector.store import reading
from collector.store.store import Store
from collector.store.tables import COMMITS, ENDS, GROUPS, WATCHES, Taken
from collector.store.tied import counts_by_flow, events_by_flow, tie_stored
from collector.times import US_PER_MS, US_PER_S

SightOf = Callable[[Sequence[PartitionState], Sequence[Gap], Sequence[Taken]], Sight]


REMEMBER_EVERY = 600 * US_PER_S
REMEMBER_FLOW_EVERY = US_PER_MS
"""The least time between two writings of what is remembered, and for each flow in it: a flow takes
some µs, and all wait for them."""
MANY = 10_000
"""After so many events were read back, what comes of them is written down at once."""


class JudgeStage:
    """Feeds the live cache and adds what it found to the batch."""

    name = "judge"

    def __init__(
        self,
        live: Live,
        sight_of: SightOf,
        first_start: int,
        key: str | None = None,
        folds: LiveFolds | None = None,
    ) -> None:
        """`key`: what must be the same for a restart to go on with what was remembered; None:
        nothing is written down, and a restart reads all events back."""
        self.live = live
        self.folds = LiveFolds(RuleSet(), nothing, 0) if folds is None else folds
        self._sight_of = sight_of
        self._first_start = first_start
        self._partitions: dict[tuple[str, str, str, int], PartitionState] = {}
        self._gaps: list[Gap] = []
        self._taken: list[Taken] = []
        self._consumed = CommitsInMemory(live.rules.groups())
        self._lags = LiveLags(live.rules)
        self._silent: set[str] = set()
        """Findings that are historical, and so stay unheard when they change."""
        self._closed: dict[str, str] = {}
        """Findings that people closed, and who did: they stay so while they hold."""
        self._seq = 1
        self._key = key
        self._stored = 0
        """The number of the newest event that passed here, once it is stored."""
        self._remember_at: int | None = None
        self.sight = sight_of((), (), ())

    def restore(self, store: Store, moment: int) -> Batch:
        """Reads the store back. The batch holds what changed since, because the rules did, and what
        the next start goes on with, where this one had much to read."""
        with (
            store.reader() as cursor,
            self.live.reading_back(lambda flows: events_by_flow(cursor, flows, self.live.ties)),
        ):
            self._seq = next_seq(cursor, FINDING_LOG.name)
            self._taken = reading.taken(cursor)
            self._consumed = commits_in(cursor, self.live.rules.groups())
            self._see(reading.partitions(cursor), reading.gaps(cursor))
            after = self._recover(cursor)
            read_back = 0
            for chunk in reading.all_events(cursor, after=after):
                self.live.absorb(chunk, stored=True)
                read_back += len(chunk)
            self.live.recovered()
            standing = findings(cursor, "WHERE state <> 'retracted'")
            told = [self._as_judged(row) for row, _ in standing]
            changed = self._lags.restore(cursor, [one for one in told if self._lags.mine(one)])
        self._silent = {row.id for row, _ in standing if row.historical}
        self._closed = {row.id: row.closed_by for row, _ in standing if row.closed_by is not None}
        self._remember([one for one in told if not self._lags.mine(one)])
        self.folds.resume(self.sight)
        self._stored = store.last_seq()
        batch = Batch(now=moment)
        self._announce([*changed, *self._advance()], batch, restoring=True)
        if read_back > MANY:
            # Who is killed soon and again need not read ever more back.
            self.remember(batch)
        return batch

    def partitions(self) -> list[PartitionState]:
        """As the newest batches left them."""
        return list(self._partitions.values())

    def interest(self) -> Interest:
        """What of an event is looked at here."""
        return self.folds.widened(self.live.interest())

    def _as_judged(self, row: FindingRow) -> Finding:
        found = row.to_finding()
        return found if row.closed_by is None else msgspec.structs.replace(found, state="open")

    def close(self, batch: Batch, rows: Sequence[FindingRow], by: str, reason: str) -> None:
        """Somebody closed these findings."""
        for row in rows:
            self._closed[row.id] = by
            closed = msgspec.structs.replace(
                row, seq=self._seq, state="closed", reason=reason, news=False, moment=batch.now,
                closed_by=by,
            )  # fmt: skip
            batch.add(FINDING_LOG.name, closed)
            self._seq += 1

    def _remember(self, standing: Sequence[Finding]) -> None:
        self.live.remember(one for one in standing if one.flow is not None)
        self.folds.remember(one for one in standing if one.flow is None)

    def _advance(self) -> list[Transition]:
        found = [*self.live.advance(self.sight), *self.folds.advance(self.sight)]
        return [*found, *self._lags.advance()]

    def _recover(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """Takes up what was remembered; the number of the newest event that is in it."""
        parts = [] if self._key is None else remembered(cursor)
        found = None if self._key is None else self.live.remembered(parts, self._key)
        ties = self.live.ties
        if ties is not None:
            tie_stored(cursor, ties, 0, reading.last_seq(cursor) if found is None else found.seq)
        if found is None:
            return 0
        names = self.live.names()
        self.live.recover(found, counts_by_flow(cursor, names, found.seq, ties))
        return found.seq

    def process(self, batch: Batch) -> None:
        rows = [batch.rows.get(table.name, ()) for table in (GROUPS, COMMITS, ENDS, WATCHES)]
        self._consumed.see(rows[0], rows[1], rows[3])
        self._lags.see(*rows)
        self._see(batch.partitions, batch.gaps)
        if batch.columns is None:
            self.live.absorb(batch.events)
        else:
            self.live.take(batch.glimpses)
        self.folds.take(batch.events if batch.columns is None else batch.glimpses)
        self._announce(self._advance(), batch, restoring=False)
        self._stored += batch.count
        self._remember_now_and_then(batch)

    def _remember_now_and_then(self, batch: Batch) -> None:
        pause = max(REMEMBER_EVERY, len(self.live.flows) * REMEMBER_FLOW_EVERY)
        if self._remember_at is None or batch.now < self._remember_at - pause:
            self._remember_at = batch.now + pause  # the first batch, or the clock was set back
        if batch.now >= self._remember_at:
            self._remember_at = batch.now + pause
            self.remember(batch)

    def remember(self, batch: Batch) -> None:
        """Adds to the batch what a restart after its commit goes on with."""
        if self._key is not None:
            parts = self.live.written(self._key, self._stored)
            for number, part in enumerate(parts):
                batch.add(OPEN_FLOWS.name, OpenFlows(number, part))

    def _see(self, partitions: Sequence[PartitionState], gaps: Sequence[Gap]) -> None:
        for partition in partitions:
            key = (partition.source, partition.topic, partition.topic_id, partition.partition)
            self._partitions[key] = partition
        self._gaps.extend(gaps)
        self.sight = self._sight_of(
            tuple(self._partitions.values()), tuple(self._gaps), tuple(self._taken)
        )
        self.sight.consumed = self._consumed

    def release(self, flows: Iterable[str], taken: Taken) -> set[str]:
        """These flows are about to be deleted: whatever comes of them later begins anew. The
        findings about windows that go with them."""
        of_windows = self.folds.release(taken.to_time)
        for id in self.live.release(flows) | of_windows:
            self._silent.discard(id)
            self._closed.pop(id, None)
        self._taken.append(taken)
        self._see((), ())
        return of_windows

    def _announce(self, changes: Sequence[Transition], batch: Batch, *, restoring: bool) -> None:
        for change in changes:
            finding = change.finding
            if change.new and (self._before_start(finding) or (restoring and change.over)):
                # What is old news when it is found: stored and shown, and nobody is woken.
                self._silent.add(finding.id)
            historical = finding.id in self._silent
            if finding.state == "retracted":
                self._silent.discard(finding.id)
            if finding.state != "open":
                self._closed.pop(finding.id, None)
            row = FindingRow.of(
                finding,
                self._seq,
                change.reason,
                batch.now,
                historical=historical,
                news=change.news and not historical,
            )
            if by := self._closed.get(finding.id):
                row.state, row.news, row.closed_by = "closed", False, by
            batch.add(FINDING_LOG.name, row)
            self._seq += 1

    def _before_start(self, finding: Finding) -> bool:
        return (finding.deadline or finding.at) < self._first_start
