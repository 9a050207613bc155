"""How far groups had committed, asked of the store: as a whole, or a passage at a time."""

import duckdb

from analyzer.consumers.consumed import CommitsInMemory, Passage, Watches
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
        self._watches = Watches(observed.watches(cursor))
        if groups:
            self._watches.see(observed.groups(cursor, OF_GROUPS, [list(groups), None, None]), ())

    def reach(self, group: str) -> int:
        return self._watches.reach(group)

    def unwatched(self, source: str, group: str) -> str | None:
        return self._watches.unwatched(source, group)

    def denied(self, source: str, group: str, moment: int) -> str | None:
        return self._watches.denied(source, group, moment)

    def passage(self, group: str, event: Event) -> Passage:
        of_place = (
            'WHERE source = ? AND "group" = ? AND topic_id = ? AND "partition" = ? '
            "AND coalesce(committed, -1) {} ? ORDER BY moment LIMIT 1"
        )
        words = [event.source, group, event.topic_id, event.partition, event.offset]
        columns = 'SELECT epoch_us(since), epoch_us("before") FROM commits '
        passed = self._cursor.execute(columns + of_place.format(">"), words).fetchall()
        if not passed:
            return Passage(self._watches.moment(event.source), None)
        since, before = passed[0]
        ((earlier,),) = self._cursor.execute(
            "SELECT arg_max(epoch_us(since), coalesce(committed, -1)) FROM commits "
            'WHERE source = ? AND "group" = ? AND topic_id = ? AND "partition" = ? '
            "AND coalesce(committed, -1) <= ? AND moment < make_timestamp(?)",
            [*words, since],
        ).fetchall()
        if earlier is None:
            return Passage(None, since)
        return Passage(earlier if before is None else before, since)
