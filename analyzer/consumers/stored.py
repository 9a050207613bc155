"""How far groups had committed, asked of the store: as a whole, or a passage at a time."""

from functools import cached_property

import duckdb

from analyzer.consumers.consumed import CommitsInMemory, Passage, Watches
from analyzer.consumers.passages import passages
from collector.consumers.observation import WatchRow
from collector.event import Event
from collector.store import observed

FIRSTS = (
    'WHERE "group" IN (SELECT unnest(?::VARCHAR[])) AND (? IS NULL OR moment <= make_timestamp(?)) '
    "QUALIFY coalesce(committed, -1) > coalesce(max(coalesce(committed, -1)) OVER ("
    'PARTITION BY source, "group", topic_id, "partition" ORDER BY moment '
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -2)"
)
"""Each time that a higher offset was committed than ever before."""


def commits_in(
    cursor: duckdb.DuckDBPyConnection, groups: frozenset[str], until: int | None = None
) -> CommitsInMemory:
    """All that is known of these groups, or was by then."""
    found = CommitsInMemory(groups)
    if groups:
        wanted = [list(groups), until, until]
        found.see(
            observed.groups(cursor, OF_GROUPS, wanted), observed.commits(cursor, FIRSTS, wanted)
        )
    found.see(watches=observed.watches(cursor))
    return found


OF_GROUPS = (
    'WHERE "group" IN (SELECT unnest(?::VARCHAR[])) AND (? IS NULL OR moment <= make_timestamp(?))'
)


class CommitsAsked:
    """Looks up what it is asked for, while the cursor is open: for the few flows of a page."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, groups: frozenset[str]) -> None:
        self._cursor = cursor
        self._groups = groups

    @cached_property
    def watched(self) -> list[WatchRow]:
        return observed.watches(self._cursor)

    @cached_property
    def _watches(self) -> Watches:
        watches = Watches(self.watched)
        if self._groups:
            wanted = [list(self._groups), None, None]
            watches.see(observed.groups(self._cursor, OF_GROUPS, wanted), ())
        return watches

    def reach(self, group: str) -> int:
        return self._watches.reach(group)

    def unwatched(self, source: str, group: str) -> str | None:
        return self._watches.unwatched(source, group)

    def denied(self, source: str, group: str, moment: int) -> str | None:
        return self._watches.denied(source, group, moment)

    def passage(self, group: str, event: Event) -> Passage:
        return passages(self._cursor, [(group, event)], self._watches)[0]
