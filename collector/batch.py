"""What a tap hands on: events, how far it read, and what the stages add before the commit."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from collector.event import Event
from collector.glimpse import Glimpse, Glimpses
from collector.times import NEVER

if TYPE_CHECKING:
    from collector.store.columns import Columns  # a command that asks a daemon needs no Arrow


class PartitionState(msgspec.Struct):
    """How far one partition was read; stored in the transaction of the events read so far."""

    source: str
    topic: str
    topic_id: str
    partition: int
    next_offset: int
    """Where reading goes on: an offset for Kafka, a byte for event lines, a row for a table."""
    first_offset: int
    """Where the tap began: what lies before was never seen."""
    high_watermark: int | None = None
    last_stable_offset: int | None = None
    """Where the oldest open transaction begins; what others committed behind it is hidden."""
    hidden_since: int | None = None
    """Set while a transaction hides what lies from there to the high watermark."""
    epoch: int | None = None
    """The leader's epoch of the last record that was read: whether a log still holds it."""
    complete_to: int = NEVER
    """Every event with a time before this (µs) was seen."""
    seen_from: int | None = None
    """The least record time among the first events that were read: sight begins here."""
    blocked_since: int | None = None
    """Set while the partition cannot be read: its judgements are held back."""
    carries: tuple[str, ...] | None = None
    """The names (globs) that this partition's events can have; None: any."""
    retired: bool = False
    """No longer read: its topic is gone, or not configured any more. It holds nothing back."""


class Gap(msgspec.Struct, frozen=True):
    """A range that the tap could not see. Times bound it as far as the records around it tell."""

    source: str
    topic: str
    topic_id: str
    partition: int
    from_offset: int
    to_offset: int
    reason: str
    from_time: int
    to_time: int
    carries: tuple[str, ...] | None = None


@dataclass
class Batch:
    """One poll's worth, committed as one transaction. `rows` are what the stages add."""

    events: list[Event] = field(default_factory=list)
    partitions: list[PartitionState] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    rows: dict[str, list[Any]] = field(default_factory=dict)
    now: int = 0
    """When the tap took it, in µs: the one clock of everything that the batch passes through."""
    decoded_in: int = 0
    """How long (µs) the tap took to make events of records."""
    may_repeat: bool = False
    """Positions may have been stored before: an export that is read a second time."""
    columns: "Columns | None" = None
    """The events as they are stored, where a tap has made them; then there are no `events`."""
    glimpses: Glimpses = field(default_factory=Glimpses.none)
    """What the stages see of the events, where the tap has made that, too."""

    @property
    def count(self) -> int:
        """How many events are stored with this batch."""
        return len(self.events) if self.columns is None else self.columns.count

    def seen(self) -> Iterable[Event | Glimpse]:
        """As much of each event as there is here."""
        return self.events if self.columns is None else self.glimpses

    def topics(self) -> set[str]:
        if self.columns is not None:
            return self.columns.topics()
        return {event.topic for event in self.events}

    def add(self, table: str, row: object) -> None:
        self.rows.setdefault(table, []).append(row)


class Stage(Protocol):
    """A named step that a batch passes before its commit (judge, alert, …)."""

    name: str

    def process(self, batch: Batch) -> None: ...
