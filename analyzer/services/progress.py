"""How far groups had committed each partition over time, and what that tells of when they read."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from analyzer.consumers.consumed import Highest, Watches
from analyzer.services.sighting import Sighting
from collector.consumers.observation import CommitRow, GroupRow, WatchRow

Partition = tuple[str, str, int]
"""Source, topic ID, number."""


class Taking(NamedTuple):
    """When a group took an event in: not before `earliest`, and by `latest` at last (None: it had
    not, as far as was seen); µs."""

    group: str
    earliest: int
    latest: int | None


class Progress:
    """Rows are in the order of time."""

    def __init__(
        self,
        commits: Iterable[CommitRow],
        watches: Sequence[WatchRow],
        groups: Iterable[GroupRow] = (),
    ) -> None:
        self.watches = Watches(watches)
        self.watches.see(groups, ())
        self._every = {watch.source: watch.every for watch in watches}
        self._moments = {watch.source: watch.moment for watch in watches}
        self._highest: dict[Partition, dict[str, Highest]] = {}
        self._topic_ids: dict[tuple[str, str, str, int], str] = {}
        for row in commits:
            series = self._highest.setdefault((row.source, row.topic_id, row.partition), {})
            series.setdefault(row.group, Highest()).see(row)
            self._topic_ids[row.source, row.group, row.topic, row.partition] = row.topic_id

    def groups_on(self, event: Sighting) -> Mapping[str, Highest]:
        """Those that have committed something of its partition."""
        return self._highest.get((event.source, event.topic_id, event.partition), {})

    def most_groups(self) -> int:
        """So many groups have committed something of one partition, at most."""
        return max((len(groups) for groups in self._highest.values()), default=0)

    def passed(self, group: str, event: Sighting) -> int | None:
        """By when it had committed this event; None: it has not."""
        highest = self.groups_on(event).get(group)
        passage = None if highest is None else highest.passed(event.offset)
        return None if passage is None else passage.by

    def unknown(self, group: str, event: Sighting) -> bool:
        """Whether nothing is known of what this group did with it."""
        source = event.source
        if self.watches.unwatched(source, group) is not None:
            return True
        if self.watches.denied(source, group, self._moments[source]) is not None:
            return True
        at = source, group, event.topic, event.partition
        # Commits are to a topic as it is now: they tell nothing of one that bore its name before.
        return self._topic_ids.get(at, event.topic_id) != event.topic_id

    def trailing(self, events: Iterable[Sighting]) -> dict[tuple[str, str], int]:
        """By source and group: so long after it has read something a group commits it, at most;
        twice what is usual, and no less than the time between two looks."""
        oldest: dict[tuple[Partition, str, int], int] = {}
        for event in events:
            partition = event.source, event.topic_id, event.partition
            for group, highest in self.groups_on(event).items():
                step = partition, group, highest.number(event.offset)
                oldest[step] = min(event.time, oldest.get(step, event.time))
        took: dict[tuple[str, str], list[int]] = {}
        for (partition, group, number), time in oldest.items():
            highest = self._highest[partition][group]
            if 0 < number < len(highest.since):
                since = max(time, highest.since[number - 1])
                of = partition[0], group
                took.setdefault(of, []).append(highest.since[number] - since)
        return {
            of: max(self._every.get(of[0], 0), 2 * round(median(some))) for of, some in took.items()
        }

    def takings(self, event: Sighting, trailing: Mapping[tuple[str, str], int]) -> list[Taking]:
        """Of every group that reads its partition."""
        found = []
        for group, highest in self.groups_on(event).items():
            number = highest.number(event.offset)
            trails = trailing.get((event.source, group))
            passed = number < len(highest.since)
            earliest = event.time
            if number > 1:
                # What the commit before left out was not read before that commit.
                earliest = max(earliest, highest.before[number - 1])
            if number and trails is not None:
                last = highest.before[number] if passed else self._moments.get(event.source, 0)
                earliest = max(earliest, last - trails)
            found.append(Taking(group, earliest, highest.since[number] if passed else None))
        return found
