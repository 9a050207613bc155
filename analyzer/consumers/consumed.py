"""How far groups had committed, and when: what expectations about consumers are judged from.

Observed by looking now and then: that an offset was passed is known to have happened between two
looks, and nothing is known of what nobody looked at.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from collector.consumers.matching import group_wanted
from collector.consumers.observation import CommitRow, GroupRow, WatchRow
from collector.event import Event
from collector.times import FOREVER

CONSUMERS_OF = "\x00consumers of "
"""Before a group's name: asked for completeness like the name of an event, and called like none."""
NOTHING = -1
"""In the place of an offset, where nothing was committed yet."""


def watched(groups: Iterable[str]) -> frozenset[str]:
    """What completeness is asked for, for these groups."""
    return frozenset(CONSUMERS_OF + group for group in groups)


class Passage(NamedTuple):
    """When a group's commits passed an offset: seen not to have by `not_by`, and to have by `by`.
    None: that was not seen (yet)."""

    not_by: int | None
    by: int | None


class Consumed(Protocol):
    def reach(self, group: str) -> int:
        """Up to when its commits were seen, on every bus on which it is watched; µs. FOREVER
        where nobody watches it: then there is nothing to wait for."""
        ...

    def unwatched(self, source: str, group: str) -> str | None:
        """Why nobody looks at it there; None where somebody does."""
        ...

    def denied(self, source: str, group: str, moment: int) -> str | None:
        """Why nothing was to be seen of it at that moment."""
        ...

    def passage(self, group: str, event: Event) -> Passage:
        """When it had committed this event."""
        ...


Series = tuple[str, str, str, int]
"""Source, group, topic ID, partition."""


class Highest:
    """Each time that a higher offset was committed than ever before: since when that was seen, and
    until when it was seen not to be so."""

    def __init__(self) -> None:
        self.offsets = array("q")
        self.since = array("q")
        self.before = array("q")

    def see(self, row: CommitRow) -> None:
        offset = NOTHING if row.committed is None else row.committed
        if self.offsets and offset <= self.offsets[-1]:
            return
        before = row.before
        if before is None:
            before = self.since[-1] if self.since else row.since
        self.offsets.append(offset)
        self.since.append(row.since)
        self.before.append(before)

    def number(self, offset: int) -> int:
        """Which of the commits was the first that passed it; one too many while none has."""
        return bisect_right(self.offsets, offset)

    def passed(self, offset: int) -> Passage | None:
        """None while it was not."""
        number = self.number(offset)
        if number == len(self.offsets):
            return None
        # Of the first that is known nobody knows what had been committed before.
        return Passage(self.before[number] if number else None, self.since[number])


class Watches:
    """Which groups are looked at on which bus, up to when, and when they were denied."""

    def __init__(self, watches: Iterable[WatchRow] = ()) -> None:
        self._watches = {watch.source: watch for watch in watches}
        self._denied: dict[tuple[str, str], list[tuple[int, int, str]]] = {}

    def see(self, groups: Iterable[GroupRow], watches: Iterable[WatchRow]) -> None:
        for row in groups:
            times = self._denied.setdefault((row.source, row.group), [])
            if times and times[-1][0] == row.since:
                continue  # told before
            if times and times[-1][1] == FOREVER:
                times[-1] = (times[-1][0], row.since, times[-1][2])
            if row.why is not None:
                times.append((row.since, FOREVER, row.why))
        for watch in watches:
            self._watches[watch.source] = watch

    def moment(self, source: str) -> int:
        return self._watches[source].moment

    def reach(self, group: str) -> int:
        moments = [w.moment for w in self._watches.values() if group_wanted(w.groups, group)]
        return min(moments, default=FOREVER)

    def unwatched(self, source: str, group: str) -> str | None:
        watch = self._watches.get(source)
        if watch is None:
            return f"consumers of {source} are not watched"
        if not group_wanted(watch.groups, group):
            return f"{group} is not among the groups that are watched"
        return None

    def denied(self, source: str, group: str, moment: int) -> str | None:
        for start, end, why in self._denied.get((source, group), ()):
            if start <= moment < end:
                return f"{group} was not seen: {why}"
        return None


class CommitsInMemory:
    """Of the groups that rules name (or of all): for the daemon, tests and backtests."""

    def __init__(self, groups: frozenset[str] | None = None) -> None:
        self._wanted = groups
        self.watches = Watches()
        self._highest: dict[Series, Highest] = {}

    def see(
        self,
        groups: Sequence[GroupRow] = (),
        commits: Iterable[CommitRow] = (),
        watches: Iterable[WatchRow] = (),
    ) -> None:
        """Rows in the order of time."""
        wanted = self._wanted
        self.watches.see((row for row in groups if wanted is None or row.group in wanted), watches)
        for row in commits:
            if wanted is None or row.group in wanted:
                series = row.source, row.group, row.topic_id, row.partition
                self._highest.setdefault(series, Highest()).see(row)

    def reach(self, group: str) -> int:
        return self.watches.reach(group)

    def unwatched(self, source: str, group: str) -> str | None:
        return self.watches.unwatched(source, group)

    def denied(self, source: str, group: str, moment: int) -> str | None:
        return self.watches.denied(source, group, moment)

    def passage(self, group: str, event: Event) -> Passage:
        series = event.source, group, event.topic_id, event.partition
        highest = self._highest.get(series)
        passed = None if highest is None else highest.passed(event.offset)
        if passed is not None:
            return passed
        return Passage(self.watches.moment(event.source), None)
