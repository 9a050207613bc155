"""A store whose writer is held up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from collector.store.store import Store


@contextmanager
def busy(store: Store) -> Iterator[None]:
    """What is submitted in here waits, and all of it together."""
    released = threading.Event()
    store.submit(lambda _: released.wait(30))
    try:
        yield
    finally:
        released.set()
