"""What an expectation asks of a flow in which no name came twice."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from analyzer.episode import follows
from collector.event import Event

Events = Mapping[str, Event]
"""By name."""


class Span(NamedTuple):
    """The time (µs) from one event to another: more than `low`, at most `high`."""

    earlier: str
    later: str
    low: int
    high: int
    ties: bool = False
    """`low` is how far clocks may differ: what is nearer follows as far as `follows` says."""

    def holds(self, at: Events) -> bool:
        earlier, later = at[self.earlier], at[self.later]
        apart = later.time - earlier.time
        if apart > self.high:
            return False
        return apart > self.low or (self.ties and follows(later, earlier, self.low))


Condition = Callable[[Events], bool]
"""What payloads decide, besides."""
