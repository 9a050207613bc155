"""What a service is there for: the events it reads, and a step for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from demo.services.event import Event, Record
from demo.services.work import W
from demo.truth import Position

if TYPE_CHECKING:
    from demo.services.service import Service


@dataclass(frozen=True)
class Cause(Generic[W]):
    """What a step acts on: an event, the record that carried it, and the work it is about."""

    event: Event
    record: Record
    work: W

    @property
    def position(self) -> Position:
        return Position(self.record.topic, self.record.partition, self.record.offset)


Step = Callable[["Service[W]", Cause[W]], Awaitable[None]]


@dataclass(frozen=True)
class Role(Generic[W]):
    """What a service is there for: the events it reads in its group, and what it does on each."""

    name: str
    group: str
    steps: Mapping[str, Step[W]]
    topics: tuple[str, ...] = ()  # where those events are read; else where they are published
