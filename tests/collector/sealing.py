"""Spans are looked up beside the writer: what waits until they are sealed."""

import time

from collector.store import spans
from collector.store.store import Store


def sealed_to(store: Store) -> int:
    with store.reader() as cursor:
        return spans.sealed_to(cursor)


def seal(store: Store, run: int) -> None:
    """As batches without an event would, until all that is complete is sealed."""
    deadline = time.monotonic() + 30
    while sealed_to(store) < store.last_seq() // run * run:
        assert time.monotonic() < deadline
        store.submit(lambda c: store._batches._spans.after(c, store.last_seq() + 1)).result()
