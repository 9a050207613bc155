"""How much of the bus was seen: what a judgement of absence may rest on."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from collector.batch import Gap, PartitionState
from collector.event import Event
from collector.store.tables import Taken
from collector.times import FOREVER, NEVER

DEFAULT_GRACE = 5_000_000
"""µs: on a live bus, records may be published a little after they happened."""


class Sight:
    """Completeness by awaited name, gaps, and what the sources' clocks are worth. Immutable."""

    def __init__(
        self,
        partitions: Sequence[PartitionState],
        gaps: Sequence[Gap] = (),
        *,
        grace: int = DEFAULT_GRACE,
        skews: Mapping[str, int] | None = None,
        retention: int = 0,
        taken: Sequence[Taken] = (),
    ) -> None:
        self._partitions = [partition for partition in partitions if not partition.retired]
        self._gaps = gaps
        self.grace = grace
        self.retention = retention
        """How long events are kept (µs): how far back a begin may lie that was never seen."""
        self._taken = taken
        self._skews = skews or {}
        values = set(self._skews.values())
        self.one_skew = min(values, default=0) if len(values) < 2 else None
        """The skew between any two sources, where there is but one."""
        self._complete: dict[frozenset[str], int] = {}
        """Answers given so far: a few hundred flows of a batch ask the same few questions."""

    @classmethod
    def everything_until(cls, moment: int, grace: int = 0) -> "Sight":
        """Everything with a time below `moment` was seen: tests of rule files, and backtests."""
        all_seen = PartitionState("", "", "", 0, 0, 0, complete_to=moment, seen_from=NEVER)
        return cls([all_seen], grace=grace)

    def complete_to(self, names: frozenset[str]) -> int:
        """The moment below which every event with one of these names was seen; µs."""
        moment = self._complete.get(names)
        if moment is None:
            able = [p.complete_to for p in self._partitions if _carries(p.carries, names)]
            moment = min(able, default=NEVER)
            self._complete[names] = moment
        return moment

    def settled_to(self) -> int:
        """The moment below which everything was seen, whatever its name."""
        return min((p.complete_to for p in self._partitions), default=NEVER)

    def newest(self) -> int:
        """How far the furthest partition got: what is due below it and not judged is held."""
        return max((p.complete_to for p in self._partitions), default=NEVER)

    def gap(self, names: frozenset[str], start: int, end: int) -> Gap | None:
        """A gap in which an event of these names with a time in [start, end] may have been."""
        for gap in self._gaps:
            overlaps = gap.from_time <= end and gap.to_time >= start
            if overlaps and _carries(gap.carries, names):
                return gap
        return None

    def unseen(self, names: frozenset[str], cause: Event, until: int) -> str | None:
        """Why absence of these names after this event proves nothing; None where it does."""
        if cause.time <= self.taken_to(cause.arrival):
            return "retention had taken what was stored then"
        gap = self.gap(names, cause.time, until)
        return None if gap is None else f"{gap.reason} on {gap.topic}-{gap.partition}"

    def taken_to(self, arrival: int) -> int:
        """Of what happened up to this moment (µs), some had been deleted when this event came.

        The events of a flow go together, and none of an open one. So what counts for an event is
        what was deleted before it came: since then its flow is whole.
        """
        number = bisect_right(self._taken, arrival, key=_moment)
        return max((one.to_time for one in self._taken[:number]), default=NEVER)

    def began(self, names: frozenset[str]) -> int:
        """The first moment of sight for these names: what happened before was never tapped."""
        starts = [
            p.seen_from
            for p in self._partitions
            if p.seen_from is not None and _carries(p.carries, names)
        ]
        return max(starts, default=FOREVER)

    def skew(self, one: str, other: str) -> int:
        """How far the clocks behind two sources may differ, in µs."""
        if self.one_skew is not None:
            return self.one_skew
        return max(self._skews.get(one, 0), self._skews.get(other, 0))


def _moment(taken: Taken) -> int:
    return taken.moment


def _carries(globs: tuple[str, ...] | None, names: frozenset[str]) -> bool:
    return globs is None or any(fnmatchcase(name, glob) for name in names for glob in globs)
