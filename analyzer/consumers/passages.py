"""When commits passed events, asked of the store for many events at once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import duckdb

from analyzer.consumers.consumed import Passage, Watches
from collector.event import Event
from collector.store.reading import LATEST
from collector.times import US_PER_S

SPARE = 900 * US_PER_S
"""So far from an event it is looked first: a row repeats what did not change in less time."""
_PASSED = """
WITH asked AS (
    SELECT unnest(?::INTEGER[]) AS number, unnest(?::VARCHAR[]) AS source,
        unnest(?::VARCHAR[]) AS "group", unnest(?::VARCHAR[]) AS topic_id,
        unnest(?::INTEGER[]) AS "partition", unnest(?::BIGINT[]) AS wanted,
        unnest(?::BIGINT[]) AS start, unnest(?::BIGINT[]) AS until
), known AS (
    SELECT number, epoch_us(moment) AS moment, epoch_us(since) AS since,
        epoch_us("before") AS "before", coalesce(committed, -1) AS committed,
        coalesce(committed, -1) > wanted AS beyond
    FROM commits JOIN asked USING (source, "group", topic_id, "partition")
    WHERE moment BETWEEN make_timestamp(?) AND make_timestamp(?)
        AND epoch_us(moment) BETWEEN start AND until
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


class _Passed(NamedTuple):
    since: int | None = None
    before: int | None = None
    stood_before: bool = False
    """Something that does not pass it was known earlier."""
    stood_at: int | None = None
    """Since when the furthest of that was."""

    def unsure(self, start: int) -> bool:
        """Whether what was seen before `start` may tell another story."""
        return self.since is not None and (self.since <= start or not self.stood_before)


def passages(
    cursor: duckdb.DuckDBPyConnection, asked: Sequence[tuple[str, Event]], watches: Watches
) -> list[Passage]:
    """Of each event, when that group's commits passed it."""
    # Nobody commits past an event long before it is there, and most do soon after; what clocks
    # say of that may lie, and then all of the past is looked through.
    there = [min(event.time, event.arrival) for _, event in asked]
    spans = [(max(0, at - SPARE), at + SPARE) for at in there]
    found = _passed(cursor, asked, spans)

    def again(numbers: list[int], start: Callable[[int], int]) -> None:
        some = [asked[number] for number in numbers]
        later = _passed(cursor, some, [(start(number), LATEST) for number in numbers])
        for number, one in zip(numbers, later, strict=True):
            found[number] = one

    again([n for n, one in enumerate(found) if one.since is None], lambda n: spans[n][0])
    again([n for n, one in enumerate(found) if one.unsure(spans[n][0])], lambda n: 0)
    return [
        _passage(one, watches.moment(event.source))
        for (_, event), one in zip(asked, found, strict=True)
    ]


def _passage(one: _Passed, now: int) -> Passage:
    if one.since is None:
        return Passage(now, None)
    if not one.stood_before:
        return Passage(None, one.since)
    return Passage(one.stood_at if one.before is None else one.before, one.since)


def _passed(
    cursor: duckdb.DuckDBPyConnection,
    asked: Sequence[tuple[str, Event]],
    spans: Sequence[tuple[int, int]],
) -> list[_Passed]:
    """By the rows of these spans of time."""
    if not asked:
        return []
    places = [
        (number, event.source, group, event.topic_id, event.partition, event.offset, *span)
        for number, ((group, event), span) in enumerate(zip(asked, spans, strict=True))
    ]
    words: list[object] = [list(column) for column in zip(*places, strict=True)]
    words += [min(start for start, _ in spans), max(end for _, end in spans)]
    rows = cursor.execute(_PASSED, words).fetchall()
    found = {number: _Passed(*rest) for number, *rest in rows}
    return [found.get(number, _Passed()) for number in range(len(asked))]
