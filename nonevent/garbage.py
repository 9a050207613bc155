"""When Python looks for garbage: between batches, not in the midst of one.

Left alone, the collector walks through every open flow again and again, which costs more than
anything else that the daemon does. Nearly all of a batch dies by reference counts; what is left
in cycles (tasks, failed requests) is collected here.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from collector.batch import Batch
from collector.times import US_PER_S

YOUNG_EVERY = 100
"""Batches between two looks at what has survived one."""
ALL_EVERY = 600 * US_PER_S
"""The least time between two looks at everything, and only while nothing comes."""


class Garbage:
    """Takes the collector's timing over; `after` is called for every batch that is committed."""

    def __init__(self, now: int) -> None:
        self._batches = 0
        self._all_at = now
        gc.disable()

    def keep(self) -> None:
        """What is there now stays: it is not looked at again, until this is said once more."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def after(self, batch: Batch) -> None:
        self._batches += 1
        if not batch.count and batch.now - self._all_at > ALL_EVERY:
            self._all_at = batch.now
            gc.collect()
        else:
            gc.collect(1 if self._batches % YOUNG_EVERY == 0 else 0)

    def release(self) -> None:
        """Gives the collector back."""
        gc.unfreeze()
        gc.enable()


@contextmanager
def untouched() -> Iterator[None]:
    """For work that ends and leaves no cycles behind: the collector does not look at all."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
