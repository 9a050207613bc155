"""Some form of event lines, to be read from the first to the last."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from collector.sources.event_line import EventLine

LONGEST = 64 << 20
"""Bytes of a line or a cell: more is no event, and would fill the memory."""


class Rows(ABC):
    """Some form of event lines. `unit` stands before their number where a mistake is told."""

    unit = ""
    number = 0
    """Of the line that was read last."""

    @abstractmethod
    def lines(self) -> Iterator[tuple[int, EventLine]]:
        """Each with its number; raises LineError for the one that `number` names."""

    @abstractmethod
    def done(self) -> int:
        """Bytes read so far."""
