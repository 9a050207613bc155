"""How consumer groups stood towards the events that should have caused others."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
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


class Standing:
    """Within one transaction; what several questions need is read once."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._watches = {watch.source: watch for watch in observed.watches(cursor)}
        self._watched = Watches(self._watches.values())
        self._groups = cache(self._read_groups)
        self._commits = cache(self._read_commits)
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
        return self._stood(Consumption(one.group, None, passage), watch, one.cause, at)

    def _stood(self, one: Consumption, watch: WatchRow, cause: Event, at: int) -> Consumption:
        """With the course of its partition, as it was known at that moment."""
        place = Place(cause.topic, cause.partition)
        groups = self._groups(watch.source, one.group, at)
        commits, newest = self._commits(watch.source, one.group, place, at)
        found = courses(
            [WatchRow(watch.source, watch.began, at, watch.every, watch.groups)],
            groups,
            commits,
            self._ends(watch.source, place, at),
        )
        long = TIMES * watch.every
        busy = any(_at_work(row, at, long) for of, row in newest.items() if of != place)
        reads = any(of.topic == place.topic and r.committed is not None for of, r in newest.items())
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
        of, which = f'{_BY} AND "group" = ? ORDER BY moment', [*_by(source, at), group]
        return observed.rows(self._cursor, GROUPS, GroupRow, of, which)

    def _read_commits(
        self, source: str, group: str, place: Place, at: int
    ) -> tuple[list[CommitRow], dict[Place, CommitRow]]:
        """Of that partition all; of every one the last that was known."""
        of = (
            f'{_BY} AND "group" = ? QUALIFY (topic = ? AND "partition" = ?) OR '
            "row_number() OVER (PARTITION BY topic, partition ORDER BY moment DESC) = 1 "
            "ORDER BY moment"
        )
        which = [*_by(source, at), group, *place]
        rows = observed.rows(self._cursor, COMMITS, CommitRow, of, which)
        newest = {Place(row.topic, row.partition): row for row in rows}
        return [row for row in rows if (row.topic, row.partition) == place], newest

    def _read_ends(self, source: str, place: Place, at: int) -> list[EndRow]:
        of = f'{_BY} AND topic = ? AND "partition" = ? ORDER BY moment'
        return observed.rows(self._cursor, ENDS, EndRow, of, [*_by(source, at), *place])


_BY = "WHERE source = ? AND moment BETWEEN make_timestamp(?) AND make_timestamp(?)"


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


def _at_work(row: CommitRow, at: int, long: int) -> bool:
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
