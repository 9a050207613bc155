"""`lag: group` [`topic`] `at_most: 60s` or `500 events` [`for: 2m`]: a group's distance."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby

from analyzer.consumers.course import courses
from analyzer.consumers.verdict import verdict
from analyzer.folds.fold import Fold, Seen, Window
from analyzer.instance import Instance
from analyzer.rules.rule import Options
from collector.consumers.history import NEWEST_WITHIN, Rows
from collector.consumers.matching import group_wanted
from collector.consumers.observation import CommitRow, EndRow, GroupRow, Place, WatchRow
from collector.event import Event
from collector.times import US_PER_S, format_duration, format_time

RECENT = NEWEST_WITHIN
"""So much of the past a verdict looks at."""
SHOWN = 5
"""So many partitions are told by their numbers."""


@dataclass(frozen=True, slots=True)
class Lag(Fold):
    """It has no windows: it is judged from commits as they were observed, over all time."""

    options: Options
    group: str
    topics: tuple[str, ...]
    """Globs; empty: all that the group reads."""
    seconds: int | None
    """µs; None where events are counted."""
    events: int | None
    stands: int
    """So long it may lie beyond."""

    @property
    def groups(self) -> tuple[str, ...]:
        return (self.group,)

    def windows(self, since: int, until: int) -> Iterator[Window]:
        return iter(())

    def windows_of(self, time: int) -> Sequence[Window]:
        return ()

    def longest(self) -> int:
        return 0

    def names(self) -> frozenset[str]:
        return frozenset()

    def judge(self, window: Window, events: Iterable[Event], seen: Seen) -> list[Instance]:
        return []

    def of(self, topic: str) -> bool:
        return not self.topics or any(fnmatchcase(topic, glob) for glob in self.topics)

    def bound(self) -> str:
        if self.seconds is not None:
            return format_duration(self.seconds)
        return f"{self.events:,} events"


@dataclass(slots=True)
class _Partition:
    committed: int
    topic_id: str
    waiting_since: int | None
    known_at: int
    """Since when this is known."""
    beyond_since: int | None = None


@dataclass(slots=True)
class _Topic:
    partitions: dict[int, _Partition] = field(default_factory=dict)
    standing: Instance | None = None
    """While it lies beyond for too long."""

    def beyond(self) -> list[tuple[int, int]]:
        """(since, number) of the partitions that lie beyond, the first one first."""
        return sorted(
            (one.beyond_since, number)
            for number, one in self.partitions.items()
            if one.beyond_since is not None
        )


class Lagging:
    """One such expectation, over what was observed; give it rows in the order of time, in any
    pieces. It remembers no more than how it stands, and what verdicts look at."""

    def __init__(self, lag: Lag) -> None:
        self._lag = lag
        self._topics: dict[tuple[str, str], _Topic] = {}
        self._ends: dict[tuple[str, Place], EndRow] = {}
        self._watches: dict[str, WatchRow] = {}
        self._every: dict[str, int] = {}
        self._denied: dict[str, tuple[int, str]] = {}
        """By source, since when the group is not seen, and why."""
        self._recent = Rows()
        self.over: list[Instance] = []
        """Those that lay beyond for too long and do no longer; whoever has taken them may clear."""

    def see(
        self,
        groups: Iterable[GroupRow] = (),
        commits: Iterable[CommitRow] = (),
        ends: Iterable[EndRow] = (),
        watches: Iterable[WatchRow] = (),
    ) -> None:
        watches = list(watches)
        self._every.update({watch.source: watch.every for watch in watches})
        rows: list[GroupRow | CommitRow | EndRow] = []
        for group in groups:
            if group.group == self._lag.group:
                self._recent.groups.append(group)
                rows.append(group)
        for commit in commits:
            if commit.group == self._lag.group and self._lag.of(commit.topic):
                self._recent.commits.append(commit)
                rows.append(commit)
        for end in ends:
            if self._lag.of(end.topic):
                self._recent.ends.append(end)
                rows.append(end)
        rows.sort(key=_moment)
        for moment, together in groupby(rows, key=_moment):
            self._pass_time(moment)
            for row in together:
                self._take(row)
            self._close(moment)
        for watch in watches:
            self._watches[watch.source] = watch
            self._pass_time(watch.moment, watch.source)
        self._let_go()

    def instances(self) -> list[Instance]:
        """Everything as it stands, and what is over and was not cleared."""
        found = list(self.over)
        watched = [
            source
            for source, watch in self._watches.items()
            if group_wanted(watch.groups, self._lag.group)
        ]
        if not watched:
            return [*found, self._said("unknown", "", f"nobody looks at {self._lag.group}")]
        for source in watched:
            if source in self._denied:
                _, why = self._denied[source]
                found.append(self._said("unknown", source, f"{self._lag.group}: {why}"))
        for (source, topic), one in self._topics.items():
            if source not in watched or source in self._denied:
                continue
            beyond = one.beyond()
            if one.standing is not None:
                found.append(one.standing)
            elif beyond:
                due = beyond[0][0] + self._lag.stands
                text = f"{self._lag.group} lies beyond {self._lag.bound()} on {topic}"
                found.append(self._said("pending", f"{source} {topic}", text, due=due))
            elif one.partitions:
                found.append(self._said("met", f"{source} {topic}"))
        return found

    # Time and rows

    def _pass_time(self, moment: int, source: str | None = None) -> None:
        """What waits gets older; what lay beyond for too long is one by its own time."""
        bound, stands = self._lag.seconds, self._lag.stands
        for (of, topic), one in self._topics.items():
            if (source is not None and of != source) or of in self._denied:
                continue
            for partition in one.partitions.values():
                waiting = partition.waiting_since
                if bound is None or waiting is None or partition.beyond_since is not None:
                    continue
                if waiting + bound < moment:
                    partition.beyond_since = max(waiting + bound, partition.known_at)
            beyond = one.beyond()
            if one.standing is None and beyond and beyond[0][0] + stands <= moment:
                one.standing = self._stands(of, topic, beyond)

    def _take(self, row: GroupRow | CommitRow | EndRow) -> None:
        if isinstance(row, GroupRow):
            if row.why is not None:
                self._denied.setdefault(row.source, (row.since, row.why))
                for (source, _), one in self._topics.items():
                    if source == row.source:
                        one.partitions.clear()  # nothing is known of it from here on
            else:
                self._denied.pop(row.source, None)
        elif isinstance(row, EndRow):
            self._ends[row.source, Place(row.topic, row.partition)] = row
            known = self._topics.get((row.source, row.topic))
            if known is not None and row.partition in known.partitions:
                self._hold_to_events(known.partitions[row.partition], row, row.moment)
        else:
            self._take_commit(row)

    def _take_commit(self, row: CommitRow) -> None:
        partitions = self._topics.setdefault((row.source, row.topic), _Topic()).partitions
        if row.committed is None:
            partitions.pop(row.partition, None)
            return
        before = partitions.get(row.partition)
        one = partitions[row.partition] = _Partition(
            row.committed, row.topic_id, row.waiting_since, row.moment,
            None if before is None else before.beyond_since,
        )  # fmt: skip
        if self._lag.seconds is not None:
            waiting = row.waiting_since
            if waiting is None or waiting + self._lag.seconds >= row.moment:
                one.beyond_since = None
            elif one.beyond_since is None:
                one.beyond_since = row.moment
        end = self._ends.get((row.source, Place(row.topic, row.partition)))
        if end is not None:
            self._hold_to_events(one, end, row.moment)

    def _hold_to_events(self, one: _Partition, end: EndRow, moment: int) -> None:
        if self._lag.events is None:
            return
        known = one.topic_id == end.topic_id and one.committed <= end.high_watermark
        if not known or end.end - one.committed <= self._lag.events:
            one.beyond_since = None
        elif one.beyond_since is None:
            one.beyond_since = moment

    def _close(self, moment: int) -> None:
        for one in self._topics.values():
            if one.standing is not None and not one.beyond():
                standing, one.standing = one.standing, None
                self.over.append(_ended(standing, moment))

    def _let_go(self) -> None:
        """What no verdict looks at any more."""
        oldest = min((w.moment for w in self._watches.values()), default=0) - RECENT
        recent = self._recent
        if any(rows and rows[0].moment < oldest - RECENT for rows in
               (recent.groups, recent.commits, recent.ends)):  # fmt: skip
            recent.groups = [row for row in recent.groups if row.moment >= oldest]
            recent.commits = [row for row in recent.commits if row.moment >= oldest]
            recent.ends = [row for row in recent.ends if row.moment >= oldest]

    # What is said

    def _stands(self, source: str, topic: str, beyond: list[tuple[int, int]]) -> Instance:
        since, first = beyond[0]
        at = since + self._lag.stands
        numbers = sorted(number for start, number in beyond if start <= at)
        shown = ", ".join(map(str, numbers[:SHOWN]))
        if len(numbers) > SHOWN:
            shown += f" and {len(numbers) - SHOWN} more"
        text = (
            f"{self._lag.group} is more than {self._lag.bound()} behind on {topic} (partition "
            f"{shown}) since {format_time(since)}: {self._verdict(source, topic, first, at)}"
        )
        return self._said(
            "violated", f"{source} {topic} {format_time(since)}", text, at=at,
            lacks=tuple(f"{topic}-{number}" for number in numbers),
        )  # fmt: skip

    def _verdict(self, source: str, topic: str, partition: int, moment: int) -> str:
        every = self._every.get(source, US_PER_S)
        recent = self._recent
        found = courses(
            [WatchRow(source, 0, moment, every, ())],
            [row for row in recent.groups if row.source == source and row.moment <= moment],
            [
                row for row in recent.commits
                if (row.source, row.topic, row.partition) == (source, topic, partition)
                and row.moment <= moment
            ],
            [
                row for row in recent.ends
                if (row.source, row.topic, row.partition) == (source, topic, partition)
                and row.moment <= moment
            ],
        )  # fmt: skip
        if not found:
            return "unseen"
        said = verdict(found[0])
        return f"{said.word}, {said.because}"

    def _said(
        self,
        state: str,
        by: str,
        text: str = "",
        *,
        at: int | None = None,
        due: int | None = None,
        lacks: tuple[str, ...] = (),
    ) -> Instance:
        finding = "lagging" if state == "violated" else None
        return Instance(
            self._lag.options.name, state, None, finding, at, None, due, lacks, (), text, by  # type: ignore[arg-type]
        )  # fmt: skip


def _moment(row: GroupRow | CommitRow | EndRow) -> int:
    return row.moment


def _ended(standing: Instance, moment: int) -> Instance:
    """Back within its bound, too late."""
    return Instance(
        standing.expectation, "late", None, standing.finding, standing.at, None, None,
        standing.lacks, (), standing.text, standing.by,
    )  # fmt: skip
