"""When commits passed events, asked of the store for many events at once."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

import duckdb

from analyzer.consumers.consumed import Passage, Series, Watches
from collector.event import Event
from collector.store.reading import LATEST
from collector.times import US_PER_S

SPARE = 900 * US_PER_S
"""So far from an event it is looked first: a row repeats what did not change in less time."""
_ROWS = (
    'SELECT epoch_us(moment), epoch_us(since), epoch_us("before"), coalesce(committed, -1) '
    'FROM commits WHERE source = ? AND "group" = ? AND topic_id = ? AND "partition" = ? '
    "AND moment BETWEEN make_timestamp(?) AND make_timestamp(?)"
)
"""Of one partition at a time: a join with all that is asked would take longer to plan than these
take to read."""

_MOMENT = itemgetter(0)
_Row = tuple[int, int, int | None, int]
"""Its moment, since when that was so, when it was not so yet, and what had been committed."""


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
    found = [_Passed()] * len(asked)
    by_series: dict[Series, list[int]] = {}
    for number, (group, event) in enumerate(asked):
        series = event.source, group, event.topic_id, event.partition
        by_series.setdefault(series, []).append(number)
    for series, numbers in by_series.items():
        start, end = min(spans[n][0] for n in numbers), max(spans[n][1] for n in numbers)
        rows = cursor.execute(_ROWS, [*series, start, end]).fetchall()
        rows.sort(key=_MOMENT)
        for number in numbers:
            start, end = spans[number]
            first = bisect_left(rows, start, key=_MOMENT)
            last = bisect_right(rows, end, key=_MOMENT)
            found[number] = _first_beyond(rows[first:last], asked[number][1].offset)
    return found


def _first_beyond(rows: Sequence[_Row], offset: int) -> _Passed:
    """Of these, in the order of time."""
    for number, (_, since, before, committed) in enumerate(rows):
        if committed > offset:
            stood = [(far, at) for moment, at, _, far in rows[:number] if moment < since]
            return _Passed(since, before, bool(stood), max(stood)[1] if stood else None)
    return _Passed()
