"""How consumer groups stood towards the events that should have caused others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from operator import attrgetter
from typing import NamedTuple

import duckdb

from analyzer.consumers.consumed import Passage, Watches
from analyzer.consumers.course import Course, State, courses
from analyzer.consumers.passages import passages
from analyzer.consumers.verdict import TIMES, verdict
from analyzer.kinds.handled import CUT_BACK
from analyzer.why.seen import Consumption
from collector.consumers.history import NEWEST_WITHIN
from collector.consumers.observation import (
    NEVER_LOOKED,
    CommitRow,
    EndRow,
    GroupRow,
    Place,
    WatchRow,
)
from collector.event import Event
from collector.store import observed
from collector.store.tables import COMMITS, ENDS, GROUPS
from collector.times import US_PER_S, format_time

BUSY = 10 * US_PER_S
"""A group that committed something in that time is at work."""


class Question(NamedTuple):
    """What this group did with this event, by the moment in which its time was over."""

    group: str
    cause: Event
    deadline: int | None


class _Newest(NamedTuple):
    """What was known last of a partition; times are µs."""

    reads: bool
    """Something is committed there."""
    since: int
    waiting_since: int | None


class Standing:
    """Within one transaction; what several questions need is read once."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, watches: Sequence[WatchRow]) -> None:
        self._cursor = cursor
        self._watches = {watch.source: watch for watch in watches}
        self._watched = Watches(self._watches.values())
        self._groups = cache(self._read_groups)
        self._commits = cache(self._read_commits)
        self._newest = cache(self._read_newest)
        self._ends = cache(self._read_ends)

    def consumptions(self, questions: Sequence[Question]) -> list[Consumption]:
        unseen = [self._unseen(one) for one in questions]
        seen = [one for one, why in zip(questions, unseen, strict=True) if why is None]
        found = iter(
            passages(self._cursor, [(one.group, one.cause) for one in seen], self._watched)
        )
        return [
            Consumption(one.group, why) if why is not None else self._passed(one, next(found))
            for one, why in zip(questions, unseen, strict=True)
        ]

    def _unseen(self, one: Question) -> str | None:
        """Why nothing is known of what that group did there."""
        source = one.cause.source
        if (unwatched := self._watched.unwatched(source, one.group)) is not None:
            return unwatched
        watch = self._watches[source]
        if (unseen := _not_seen(watch, one.cause)) is not None:
            return unseen
        states = self._groups(source, one.group, watch.moment)
        if states and states[-1].why is not None:
            return f"{one.group} was not seen: {states[-1].why}"
        return None

    def _passed(self, one: Question, passage: Passage) -> Consumption:
        not_by, by = passage
        watch = self._watches[one.cause.source]
        late = not_by is not None and one.deadline is not None and not_by >= one.deadline
        at = not_by if by is not None and late and not_by is not None else watch.moment
        # Of who had read it in time nobody asks what it did elsewhere.
        newest = self._newest(watch.source, one.group, at) if by is None or late else {}
        return self._stood(Consumption(one.group, None, passage), watch, one.cause, at, newest)

    def _stood(
        self,
        one: Consumption,
        watch: WatchRow,
        cause: Event,
        at: int,
        newest: Mapping[Place, _Newest],
    ) -> Consumption:
        """With the course of its partition, as it was known at that moment."""
        place = Place(cause.topic, cause.partition)
        groups = self._groups(watch.source, one.group, at)
        found = courses(
            [WatchRow(watch.source, watch.began, at, watch.every, watch.groups)],
            groups,
            self._commits(watch.source, one.group, place, at),
            self._ends(watch.source, place, at),
        )
        long = TIMES * watch.every
        busy = any(_at_work(row, at, long) for of, row in newest.items() if of != place)
        reads = any(of.topic == place.topic and r.reads for of, r in newest.items())
        reads = reads or (one.passage is not None and one.passage.by is not None)
        last_moved = max((row.since for row in newest.values()), default=None)
        state = None
        if groups:
            last = groups[-1]
            state = State(last.since, last.state, last.members, last.why)
        course = found[0] if found else None
        if course is not None and cause.offset >= course.committed and not course.waiting_since:
            # What is left are no mere markers, whatever the watch has seen of it so far.
            course = replace(course, waiting_since=cause.arrival)
        said = None if course is None else verdict(course)
        if one.passage is not None and one.passage.by is None and _came_after(course, cause):
            return Consumption(one.group, "consumers were last looked at before it was there")
        if said is not None and said.word in ("recreated", "unseen"):
            return Consumption(one.group, f"{one.group}: {said.because}", one.passage)
        return Consumption(
            one.group, None, one.passage, course, said, busy, reads, state, last_moved
        )

    # What was observed by a moment, from so long before it that nothing is older that still holds

    def _read_groups(self, source: str, group: str, at: int) -> list[GroupRow]:
        of, which = f'{_BY} AND "group" = ?', [*_by(source, at), group]
        return sorted(observed.rows(self._cursor, GROUPS, GroupRow, of, which), key=_MOMENT)

    def _read_commits(self, source: str, group: str, place: Place, at: int) -> list[CommitRow]:
        of, which = f'{_BY} AND "group" = ? AND {_THERE}', [*_by(source, at), group, *place]
        return sorted(observed.rows(self._cursor, COMMITS, CommitRow, of, which), key=_MOMENT)

    def _read_newest(self, source: str, group: str, at: int) -> dict[Place, _Newest]:
        """Of every partition the last that was known."""
        found = self._cursor.execute(
            f'SELECT {_NEWEST} FROM {COMMITS.name} {_BY} AND "group" = ? GROUP BY ALL',
            [*_by(source, at), group],
        ).fetchall()
        return {Place(topic, number): _Newest(**row) for topic, number, row in found}

    def _read_ends(self, source: str, place: Place, at: int) -> list[EndRow]:
        of, which = f"{_BY} AND {_THERE}", [*_by(source, at), *place]
        return sorted(observed.rows(self._cursor, ENDS, EndRow, of, which), key=_MOMENT)


_MOMENT = attrgetter("moment")
_BY = "WHERE source = ? AND moment BETWEEN make_timestamp(?) AND make_timestamp(?)"
_THERE = 'topic = ? AND "partition" = ?'
_NEWEST = (
    'topic, "partition", arg_max({reads: committed IS NOT NULL, since: epoch_us(since), '
    "waiting_since: epoch_us(waiting_since)}, moment)"
)


def _by(source: str, at: int) -> list[object]:
    return [source, at - NEWEST_WITHIN, at]


def _not_seen(watch: WatchRow, cause: Event) -> str | None:
    """Why it was not seen what became of this very event."""
    if CUT_BACK in cause.topic_id:
        return (
            f"the log of {cause.topic} was cut back, and commits do not tell which offset is meant"
        )
    if watch.moment == NEVER_LOOKED:
        return f"consumers of {watch.source} were not looked at yet" + _because(watch)
    if watch.moment <= cause.time:
        return f"consumers were last looked at {format_time(watch.moment)}" + _because(watch)
    return None


def _at_work(row: _Newest, at: int, long: int) -> bool:
    """Whether a group moves there, and what it left has waited for long."""
    waits = row.waiting_since is not None and row.waiting_since <= at - long
    return waits and row.since >= at - max(BUSY, long)


def _came_after(course: Course | None, cause: Event) -> bool:
    """Whether it was not in its partition yet when that was last looked at."""
    return (
        course is not None
        and course.end is not None
        and course.topic_id == course.ends_topic_id == cause.topic_id
        and course.end.high_watermark <= cause.offset
    )


def _because(watch: WatchRow) -> str:
    return "" if watch.why is None else f": {watch.why}"
