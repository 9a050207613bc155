"""How much of the bus was seen: what a judgement of absence may rest on."""

import copy
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from analyzer.consumers.consumed import CONSUMERS_OF, Consumed
from analyzer.naming import ANY_NAME, Naming
from collector.batch import Gap, PartitionState
from collector.event import Event
from collector.keep import in_sample
from collector.store.tables import Taken
from collector.times import FOREVER, NEVER, format_time

DEFAULT_GRACE = 5_000_000
"""µs: on a live bus, records may be published a little after they happened."""


ANY = frozenset(("*",))
"""Whatever its name is: asked for this, every partition counts."""


class Sample(msgspec.Struct, frozen=True):
    """Of these topics (a glob) this share of the flows is kept."""

    topics: str
    share: float


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
        samples: Mapping[str, Sequence[Sample]] | None = None,
        reach: int | None = None,
        consumed: Consumed | None = None,
    ) -> None:
        self._partitions = [partition for partition in partitions if not partition.retired]
        self._gaps = gaps
        self.grace = grace
        self.retention = retention
        """How long events are kept (µs): how far back a begin may lie that was never seen."""
        self.reach = retention if reach is None else reach
        """How long (µs) before its first event a flow may have begun whose file has no `within`."""
        self.consumed = consumed
        """How far groups have committed; None: nobody looks."""
        self._taken = taken
        self._sampled = [] if not samples else list(_sampled(self._partitions, samples))
        self._skews = skews or {}
        values = set(self._skews.values())
        self.one_skew = min(values, default=0) if len(values) < 2 else None
        """The skew between any two sources, where there is but one."""
        self.widest = max(values, default=0)
        """The most that two clocks may differ; µs."""
        self._complete: dict[frozenset[str], int] = {}
        """Answers given so far: a few hundred flows of a batch ask the same few questions."""
        self._naming: Naming | None = None
        self._under: dict[int, Sight] = {}

    @classmethod
    def everything_until(cls, moment: int, grace: int = 0) -> "Sight":
        """Everything with a time below `moment` was seen: tests of rule files, and backtests."""
        all_seen = PartitionState("", "", "", 0, 0, 0, complete_to=moment, seen_from=NEVER)
        return cls([all_seen], grace=grace)

    def under(self, naming: Naming | None) -> "Sight":
        """The same, asked by the names of a rule file in which some mean other events."""
        if naming is None:
            return self
        sight = self._under.get(id(naming))
        if sight is None:
            sight = self._under[id(naming)] = copy.copy(self)
            sight._naming, sight._complete = naming, {}
        return sight

    def _stored(self, names: frozenset[str]) -> frozenset[str]:
        """What events with these names may be called."""
        if self._naming is None or names is ANY:
            return names
        stored = self._naming.stored(names)
        return ANY if ANY_NAME in stored else stored

    def complete_to(self, names: frozenset[str]) -> int:
        """The moment below which every event with one of these names was seen; µs."""
        moment = self._complete.get(names)
        if moment is None:
            stored = self._stored(names)
            moment = self._seen_to(stored)
            self._complete[names] = moment
        return moment

    def _seen_to(self, stored: frozenset[str]) -> int:
        groups = [name for name in stored if name.startswith(CONSUMERS_OF)]
        if groups:
            reached = min(self._reach(name.removeprefix(CONSUMERS_OF)) for name in groups)
            events = stored.difference(groups)
            return min(reached, self._seen_to(events)) if events else reached
        able = [p.complete_to for p in self._partitions if _carries(p.carries, stored)]
        return min(able, default=NEVER)

    def _reach(self, group: str) -> int:
        reach = FOREVER if self.consumed is None else self.consumed.reach(group)
        # Where nobody looks there is nothing to wait for, but what happened until then.
        return self.settled_to() if reach == FOREVER else reach

    def settled_to(self) -> int:
        """The moment below which everything was seen, whatever its name."""
        return min((p.complete_to for p in self._partitions), default=NEVER)

    def newest(self) -> int:
        """How far the furthest partition got: what is due below it and not judged is held."""
        return max((p.complete_to for p in self._partitions), default=NEVER)

    def gap(self, names: frozenset[str], start: int, end: int) -> Gap | None:
        """A gap in which an event of these names with a time in [start, end] may have been."""
        names = self._stored(names)
        for gap in self._gaps:
            overlaps = gap.from_time <= end and gap.to_time >= start
            if overlaps and _carries(gap.carries, names):
                return gap
        return None

    def unseen(
        self, names: frozenset[str], cause: Event, until: int, ids: Iterable[str]
    ) -> str | None:
        """Why absence of these names after this event proves nothing; None where it does. `ids`
        are the flow's."""
        topic = self.left_out(names, ids)
        if topic is not None:
            return f"only a part of the flows on {topic} is kept, and not this one"
        if cause.time <= self.taken_to(cause.arrival):
            return "retention had taken what was stored then"
        gap = self.gap(names, cause.time, until)
        return None if gap is None else _told(gap)

    def unseen_since(
        self, names: frozenset[str], start: int, event: Event, ids: Iterable[str]
    ) -> str | None:
        """Why it proves nothing that none of these names was seen from `start` to this event."""
        topic = self.left_out(names, ids)
        if topic is not None:
            return f"only a part of the flows on {topic} is kept, and not this one"
        if start <= self.taken_to(event.arrival):
            return "retention had taken what was stored then"
        if start < self._whole_from(names):
            return "it may lie before the tap's first sight"
        gap = self.gap(names, start, event.time)
        return None if gap is None else _told(gap)

    def unseen_between(self, names: frozenset[str], start: int, end: int) -> str | None:
        """Why there may have been more of these names in this time than were seen."""
        stored = self._stored(names)
        for topic, _, carries in self._sampled:
            if _carries(carries, stored):
                return f"only a part of what is on {topic} is kept"
        if start <= self.taken_to(FOREVER):
            return "retention had taken what was stored then"
        if start < self._whole_from(names):
            return "it may lie before the tap's first sight"
        gap = self.gap(names, start, end)
        return None if gap is None else _told(gap)

    def blind(self, names: frozenset[str]) -> PartitionState | None:
        """A partition that cannot be read now, and could carry one of these names; what groups
        commit lies in none."""
        names = self._stored(names)
        if names is not ANY:
            names = frozenset(name for name in names if not name.startswith(CONSUMERS_OF))
        return next(
            (
                p
                for p in self._partitions
                if p.blocked_since is not None and names and _carries(p.carries, names)
            ),
            None,
        )

    def hiding(self, names: frozenset[str]) -> PartitionState | None:
        """A partition in which an open transaction hides what may have one of these names."""
        names = self._stored(names)
        hiding = (p for p in self._partitions if p.hidden_since is not None)
        return next((p for p in hiding if names and _carries(p.carries, names)), None)

    def left_out(self, names: frozenset[str], ids: Iterable[str]) -> str | None:
        """A topic that could carry these names, and of which not all of this flow is kept."""
        names = self._stored(names)
        for topic, share, carries in self._sampled:
            if _carries(carries, names) and not all(in_sample((id,), share) for id in ids):
                return topic
        return None

    def taken_to(self, arrival: int) -> int:
        """Of what happened up to this moment (µs), some had been deleted when this event came.

        The events of a flow go together, and none of an open one. So what counts for an event is
        what was deleted before it came: since then its flow is whole.
        """
        number = bisect_right(self._taken, arrival, key=_moment)
        return max((one.to_time for one in self._taken[:number]), default=NEVER)

    def began(self, names: frozenset[str]) -> int:
        """The first moment of sight for these names: what happened before was never tapped."""
        names = self._stored(names)
        starts = [
            p.seen_from
            for p in self._partitions
            if p.seen_from is not None and _carries(p.carries, names)
        ]
        return max(starts, default=FOREVER)

    def first_seen(self, names: frozenset[str]) -> int:
        """The first moment of which anything is known; FOREVER while nothing was read."""
        names = self._stored(names)
        starts = [p.seen_from for p in self._partitions if _carries(p.carries, names)]
        return min((start for start in starts if start is not None), default=FOREVER)

    def _whole_from(self, names: frozenset[str]) -> int:
        """The moment since which all was seen: for ever, where a partition was read from its
        very beginning."""
        names = self._stored(names)
        starts = [
            NEVER if p.first_offset == 0 else FOREVER if p.seen_from is None else p.seen_from
            for p in self._partitions
            if _carries(p.carries, names)
        ]
        return max(starts, default=FOREVER)

    def skew(self, one: str, other: str) -> int:
        """How far the clocks behind two sources may differ, in µs."""
        if self.one_skew is not None:
            return self.one_skew
        return max(self._skews.get(one, 0), self._skews.get(other, 0))


def _told(gap: Gap) -> str:
    """Why it was not seen, and which offsets of which time."""
    last = gap.to_offset - 1
    offsets = (
        f"offset {last}" if last <= gap.from_offset else f"offsets {gap.from_offset} to {last}"
    )
    told = f"{gap.reason} on {gap.topic}-{gap.partition}: {offsets}"
    since = "the beginning" if gap.from_time == NEVER else format_time(gap.from_time)
    return f"{told}, of {since} to {format_time(gap.to_time)}"


def _sampled(
    partitions: Iterable[PartitionState], samples: Mapping[str, Sequence[Sample]]
) -> set[tuple[str, float, tuple[str, ...] | None]]:
    """The topics of which a part is kept, how much, and what they may carry."""
    return {
        (partition.topic, share, partition.carries)
        for partition in partitions
        if (share := share_of(partition.topic, samples.get(partition.source, ()))) < 1
    }


def share_of(topic: str, samples: Sequence[Sample]) -> float:
    """As with all that is said of topics, the last glob that fits counts."""
    return next((one.share for one in reversed(samples) if fnmatchcase(topic, one.topics)), 1.0)


def _moment(taken: Taken) -> int:
    return taken.moment


def _carries(globs: tuple[str, ...] | None, names: frozenset[str]) -> bool:
    if globs is None or names is ANY:
        return True
    return any(fnmatchcase(name, glob) for name in names for glob in globs)
