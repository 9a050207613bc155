"""What a tap is to the pipeline: something to poll, whatever bus is behind it."""

from typing import Protocol

from collector.batch import Batch
from collector.sources.condition import Condition

SMALL = 2_000
LINGER_S = 0.05
"""After a small batch the tap rests, so that a thin stream is not a transaction an event."""


class Tap(Protocol):
    """Reads one source. It never disturbs the bus, and never asks the clock by itself."""

    name: str
    paced: bool
    """Whether it rests by itself after a small batch."""

    async def start(self) -> None:
        """Connects and finds where to go on; raises SourceError with the cure."""
        ...

    async def poll(self) -> Batch:
        """What came since the last poll, with the state of every partition; waits a little."""
        ...

    async def stop(self) -> None: ...

    def condition(self) -> Condition:
        """How it stands with its bus now; may be asked from any thread."""
        ...
