"""How far groups had committed, asked of the store: as a whole, or a passage at a time."""

from collections.abc import Sequence
from typing import NamedTuple

import duckdb

from analyzer.consumers.consumed import CommitsInMemory, Passage, Watches
from collector.event import Event
from collector.store import observed
from collector.times import US_PER_S

SPARE = 3_600 * US_PER_S
"""So far clocks of producers may be behind or ahead before all commits are looked through."""
_PASSED = """
WITH asked AS (
    SELECT unnest(?::INTEGER[]) AS number, unnest(?::VARCHAR[]) AS source,
        unnest(?::VARCHAR[]) AS "group", unnest(?::VARCHAR[]) AS topic_id,
        unnest(?::INTEGER[]) AS "partition", unnest(?::BIGINT[]) AS wanted,
        unnest(?::BIGINT[]) AS bound
), known AS (
    SELECT number, epoch_us(moment) AS moment, epoch_us(since) AS since,
        epoch_us("before") AS "before", coalesce(committed, -1) AS committed,
        coalesce(committed, -1) > wanted AS beyond
    FROM commits JOIN asked USING (source, "group", topic_id, "partition")
    WHERE moment >= make_timestamp(?) AND epoch_us(moment) >= bound
), first AS (
    SELECT number, arg_min(since, moment) AS since, arg_min("before", moment) AS "before"
    FROM known WHERE beyond GROUP BY number
)
SELECT first.number, any_value(first.since), any_value(first."before"), count(known.moment) > 0,
    arg_max(known.since, known.committed)
FROM first LEFT JOIN known
    ON known.number = first.number AND NOT known.beyond AND known.moment < first.since
GROUP BY first.number
"""
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


class _Passed(NamedTuple):
    since: int | None = None
    before: int | None = None
    stood_before: bool = False
    """Something that does not pass it was known earlier."""
    stood_at: int | None = None
    """Since when the furthest of that was."""


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
        return self.passages([(group, event)])[0]

    def passages(self, asked: Sequence[tuple[str, Event]]) -> list[Passage]:
        """Of each event, when that group's commits passed it."""
        if not asked:
            return []
        # Nobody commits past an event long before it is there; what clocks say of that may lie.
        bounds = [max(0, min(event.time, event.arrival) - SPARE) for _, event in asked]
        found = self._passed(asked, bounds)
        unsure = [
            number
            for number, one in enumerate(found)
            if one.since is not None and (one.since <= bounds[number] or not one.stood_before)
        ]
        again = self._passed([asked[n] for n in unsure], [0] * len(unsure)) if unsure else []
        for number, one in zip(unsure, again, strict=True):
            found[number] = one
        return [
            self._passage(event.source, one) for (_, event), one in zip(asked, found, strict=True)
        ]

    def _passage(self, source: str, one: _Passed) -> Passage:
        if one.since is None:
            return Passage(self._watches.moment(source), None)
        if not one.stood_before:
            return Passage(None, one.since)
        return Passage(one.stood_at if one.before is None else one.before, one.since)

    def _passed(self, asked: Sequence[tuple[str, Event]], bounds: Sequence[int]) -> list[_Passed]:
        """By the rows from these moments on."""
        places = [
            (event.source, group, event.topic_id, event.partition, event.offset)
            for group, event in asked
        ]
        words = [list(range(len(asked))), *map(list, zip(*places, strict=True)), list(bounds)]
        rows = self._cursor.execute(_PASSED, [*words, min(bounds)]).fetchall()
        found = {number: _Passed(*rest) for number, *rest in rows}
        return [found.get(number, _Passed()) for number in range(len(asked))]
