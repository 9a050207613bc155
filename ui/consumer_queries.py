"""How consumers stand: each group's partitions with their verdicts, from what was observed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import duckdb

from analyzer.consumers.course import Course, courses
from analyzer.consumers.outcomes import outcomes
from analyzer.consumers.verdict import Verdict, verdict
from analyzer.rules.ruleset import RuleSet
from collector.consumers.observation import GroupRow, WatchRow
from collector.store import observed
from ui.models import ConsumerItem
from ui.rows import moment


def consumers(
    cursor: duckdb.DuckDBPyConnection, rules: RuleSet, group: str | None = None
) -> list[ConsumerItem]:
    """All, or those of one group; a group of which no partition is known has one item."""
    watches = observed.watches(cursor)
    seen = observed.lately(cursor, watches, group)
    came = outcomes(cursor, rules)
    found = [
        replace(one, outcomes=came.get((one.source, one.group, one.place), ()))
        for one in courses(watches, seen.groups, seen.commits, seen.ends)
    ]
    by_source = {watch.source: watch for watch in watches}
    items = [_item(course, _said(course, by_source[course.source])) for course in found]
    items += _without_partitions(seen.groups, found, by_source)
    return sorted(items, key=lambda one: (one.group, one.topic or "", one.partition or 0))


def _said(course: Course, watch: WatchRow) -> Verdict:
    if watch.why is not None:
        return Verdict("unseen", watch.moment, f"the bus was not seen since: {watch.why}")
    return verdict(course)


def _item(course: Course, said: Verdict) -> ConsumerItem:
    seconds = course.lag_seconds
    return ConsumerItem(
        source=course.source,
        group=course.group,
        topic=course.place.topic,
        partition=course.place.partition,
        committed=course.committed,
        end=None if course.end is None else course.end.end,
        lag=course.lag,
        lag_seconds=None if seconds is None else round(seconds, 3),
        group_state=course.state.name,
        verdict=said.word,
        since=moment(said.since),
        because=said.because,
    )


def _without_partitions(
    groups: Sequence[GroupRow], found: Iterable[Course], watches: dict[str, WatchRow]
) -> list[ConsumerItem]:
    known = {(course.source, course.group) for course in found}
    newest = {(row.source, row.group): row for row in groups}
    return [
        ConsumerItem(
            source=row.source, group=row.group, topic=None, partition=None, committed=None,
            end=None, lag=None, lag_seconds=None, group_state=row.state, verdict="unseen",
            since=moment(row.since),
            because=row.why or (
                "there is no such group" if row.state == "Gone" else "it has committed nothing"
            ),
        )
        for key, row in newest.items()
        if key not in known and row.source in watches and _is_there(row, watches[row.source])
    ]  # fmt: skip


def _is_there(row: GroupRow, watch: WatchRow) -> bool:
    """A group that is gone is told of only where it is named as such."""
    return row.state != "Gone" or row.group in watch.groups
