"""The past that rules are judged over: its events, and how far they show what happened."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from analyzer.clocks import Clocks
from analyzer.consumers.stored import commits_in
from analyzer.sight import Sight
from collector.batch import PartitionState
from collector.event import Event
from collector.progress import Report
from collector.settings import SourceSettings
from collector.sources.event_file import EventFile
from collector.store import observed, reading
from collector.store.store import Store
from collector.store.tied import stored_ties
from collector.ties import Ties, tying_of
from collector.times import FOREVER, NEVER

NOT_THE_FIRST = 1
"""As a partition's first offset: something may lie before it."""


@dataclass(frozen=True)
class Period:
    """Of the past only what happened from `since` on, and what had come by `until`."""

    since: int | None = None
    until: int | None = None

    def holds(self, event: Event) -> bool:
        return (self.since is None or event.time >= self.since) and (
            self.until is None or event.arrival <= self.until
        )


@dataclass
class Span:
    """From when to when the events lie that were read, and on which topics."""

    first: int = FOREVER
    last: int = NEVER
    topics: set[tuple[str, str]] = field(default_factory=set)

    def add(self, events: Sequence[Event]) -> None:
        if events:
            self.first = min(self.first, min(event.time for event in events))
            self.last = max(self.last, max(event.time for event in events))
            self.topics.update({(event.source, event.topic) for event in events})


class Past(ABC):
    """Events in any order, once; then how much they show."""

    ties: Ties | None
    """Where keys tie: before any of its events."""
    period: Period

    @abstractmethod
    def batches(self, read: Container[str] | None, report: Report) -> Iterator[list[Event]]:
        """Events of the period; headers and payloads at least where their name is in `read`."""

    @abstractmethod
    def sight(self, span: Span, groups: frozenset[str] = frozenset()) -> Sight:
        """What was seen, given what was read; and how far these groups had committed."""

    def observed(self, group: str, use: Callable[..., None]) -> None:
        """Calls `use` with what was observed of a group: with groups, commits, ends and watches."""
        use()  # nothing, of a file


class FilePast(Past):
    """A file of events. It is complete to its last event, and begins with its first: what lies
    before nobody knows."""

    def __init__(self, file: EventFile, sources: Sequence[SourceSettings], period: Period) -> None:
        self._file = file
        self._settings = {source.name: source for source in sources}
        self._clocks = msgspec.structs.replace(Clocks.of(sources), grace=0)
        tying = tying_of(sources)
        self.ties = Ties(tying) if tying else None
        self.period = period

    def batches(self, read: Container[str] | None, report: Report) -> Iterator[list[Event]]:
        for events in self._file.batches(report):
            yield [event for event in events if self.period.holds(event)]

    def sight(self, span: Span, groups: frozenset[str] = frozenset()) -> Sight:
        # No commits are in a file: what hangs on them is unknown.
        until = self.period.until
        complete_to = span.last if until is None else until

        def seen(source: str, topic: str, carries: tuple[str, ...] | None) -> PartitionState:
            return PartitionState(
                source, topic, topic, 0, NOT_THE_FIRST, NOT_THE_FIRST,
                complete_to=complete_to, seen_from=span.first, carries=carries,
            )  # fmt: skip

        # One for the file as a whole; one for each topic, because of some not all may be kept.
        partitions = [seen("", "", None)]
        for source, topic in sorted(span.topics):
            settings = self._settings.get(source)
            carries = None if settings is None else settings.carries(topic)
            partitions.append(seen(source, topic, carries))
        clocks = self._clocks
        if self._file.begins_late or self.period.since is not None:
            # Visibly cut out of something longer.
            clocks = msgspec.structs.replace(clocks, reaches=True)
        return clocks.sight(partitions, [])


class StorePast(Past):
    """What a store holds, with the gaps of its taps; complete to where they were."""

    def __init__(self, store: Store, period: Period) -> None:
        self._store = store
        with store.reader() as cursor:
            self._clocks = msgspec.structs.replace(Clocks.stored(cursor), grace=0)
            self.ties = stored_ties(cursor)
        self.period = period

    def batches(self, read: Container[str] | None, report: Report) -> Iterator[list[Event]]:
        done = 0
        with self._store.reader() as cursor:
            row = cursor.execute("SELECT count(*) FROM events").fetchone()
            of = int(row[0]) if row else 0
            for events in reading.all_events(cursor, read):
                done += len(events)
                report(done, of)
                yield [event for event in events if self.period.holds(event)]

    def observed(self, group: str, use: Callable[..., None]) -> None:
        since, until = self.period.since or 0, self.period.until
        with self._store.reader() as cursor:
            seen = observed.since(cursor, since, group)
            watches = observed.watches(cursor)
        if until is not None:
            use(
                [row for row in seen.groups if row.moment <= until],
                [row for row in seen.commits if row.moment <= until],
                [row for row in seen.ends if row.moment <= until],
                [msgspec.structs.replace(w, moment=min(w.moment, until)) for w in watches],
            )
        else:
            use(seen.groups, seen.commits, seen.ends, watches)

    def sight(self, span: Span, groups: frozenset[str] = frozenset()) -> Sight:
        with self._store.reader() as cursor:
            consumed = commits_in(cursor, groups, self.period.until)
            partitions, gaps = reading.partitions(cursor), reading.gaps(cursor)
            taken = reading.taken(cursor)
        since, until = self.period.since, self.period.until
        for state in partitions:
            if until is not None:
                state.complete_to = until
            if since is not None:
                self._clocks = msgspec.structs.replace(self._clocks, reaches=True)
                state.seen_from = max(since, state.seen_from or since)
                state.first_offset = NOT_THE_FIRST
        sight = self._clocks.sight(partitions, gaps, taken)
        sight.consumed = consumed
        return sight
