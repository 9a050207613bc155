"""Consumers of a made-up bus, looked at when a test says so, and stored as the daemon does."""

from __future__ import annotations

from collector.batch import Batch
from collector.consumers.history import History
from collector.consumers.observation import End, GroupState, Known, Look, Place, WatchRow
from collector.store.store import Store
from collector.store.tables import COMMITS, ENDS, GROUPS, WATCHES
from collector.times import US_PER_S

NOW = 1_795_000_000 * US_PER_S
EVERY = 5 * US_PER_S


class Bus:
    """What a source's consumers do is looked at when the test says so, and stored."""

    def __init__(self, store: Store, source: str = "bus") -> None:
        self.store, self._source = store, source
        self._history = History(source, Known())
        self.groups = {"payment": GroupState("classic", "Stable", 2)}
        self.commits: dict[str, dict[Place, int]] = {"payment": {Place("orders", 0): 100}}
        self.ends = {Place("orders", 0): End("id", 100, 100)}
        self.now = NOW
        self.why: str | None = None
        self.done: frozenset[tuple[Place, int]] = frozenset()

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += EVERY
            seen = Look(self.now, self.now, self.groups, self.commits, self.ends,
                        done=self.done)  # fmt: skip
            rows = self._history.take(seen)
            watch = WatchRow(self._source, NOW, self.now, EVERY, ("*", "named"), self.why)
            batch = Batch(now=self.now, rows={WATCHES.name: [watch]})
            for table, some in ((GROUPS, rows.groups), (COMMITS, rows.commits), (ENDS, rows.ends)):
                if some:
                    batch.rows[table.name] = list(some)
            self.store.commit(batch).result()
