"""How a log may come in: in any order, in batches of any size, seen to any moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from hypothesis import strategies as st

from collector.event import Event


def arriving(
    data: st.DataObject, log: Sequence[Event], last: int
) -> Iterator[tuple[Sequence[Event], int, int]]:
    """Batches, with the second up to which all was seen by then, and that of a partition behind.
    Completeness may have promised too much: what it missed then arrives late."""
    rest = data.draw(st.permutations(log), "arrival")
    complete = 0
    while rest:
        size = data.draw(st.integers(1, len(rest)), "batch")
        complete = data.draw(st.integers(complete, last), "complete to")
        yield rest[:size], complete, data.draw(st.integers(0, complete), "a partition behind")
        rest = rest[size:]


@contextmanager
def bounded(most: int, runaway: int) -> Iterator[None]:
    """A value that more correlation IDs carry than `most` ties none; with more events than
    `runaway` a flow is not judged."""
    with ExitStack() as stack:
        stack.enter_context(patch("collector.ties.MOST_CARRIERS", most))
        for module in ("judge", "live", "runaways"):
            stack.enter_context(patch(f"analyzer.{module}.RUNAWAY", runaway))
        yield
