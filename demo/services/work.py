"""What a service must know of its kind of work: orders of the shop, conversations of the agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from demo.faults import Fault
from demo.services.event import Event, Headers, Payload
from demo.switches import Switches


class Work(Protocol):
    """One piece of work: everything about it follows from the seed and its number."""

    @property
    def number(self) -> int: ...
    @property
    def flow(self) -> str: ...
    @property
    def fault(self) -> Fault | None: ...
    @property
    def key(self) -> str:
        """Its business key, which is also the key of its records."""
        ...

    def about(self) -> Payload:
        """What every payload says of it."""
        ...


W = TypeVar("W", bound=Work)


@dataclass(frozen=True)
class Awaited:
    """An event has a right to an answer in time: by this expectation, from this service."""

    expectation: str
    service: str
    answers: tuple[str, ...]
    excuses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Business(Generic[W]):
    """A kind of work: its events and their topics, its deadlines, and the way back from a key."""

    topic_of: Mapping[str, str]
    side_topics: Mapping[str, tuple[str, ...]]  # of retries and dead letters: what they carry
    flow_header: str
    awaits: Mapping[str, Awaited]
    work: Callable[[Switches, int], W]
    number_of: Callable[[str], int | None]
    headers: Callable[[Event, str], Headers]

    @property
    def topics(self) -> tuple[str, ...]:
        return (*dict.fromkeys(self.topic_of.values()), *self.side_topics)

    def carried(self, prefix: str) -> dict[str, list[str]]:
        """The names of the events that each topic carries."""
        carried: dict[str, list[str]] = {prefix + topic: [] for topic in self.topics}
        for name, topic in self.topic_of.items():
            carried[prefix + topic].append(name)
        for topic, names in self.side_topics.items():
            # What has lost its headers is named after the topic.
            carried[prefix + topic] += [*names, prefix + topic]
        return carried
