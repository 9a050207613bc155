"""What a sink was last told to fire, where it wants to hear of that again and again."""

from collections import deque
from collections.abc import Callable
from itertools import islice

from analyzer.notification import Notification
from analyzer.outbox import deliveries
from analyzer.outbox.deliveries import Waiting
from collector.store.store import Store
from collector.times import US_PER_S


class Resending:
    """One sink's. Without a rhythm there is never anything to do."""

    def __init__(
        self, sink: str, every_s: float | None, store: Store, clock: Callable[[], int]
    ) -> None:
        self._sink = sink
        self._every = None if every_s is None else round(every_s * US_PER_S)
        self._store = store
        self._clock = clock
        self._fires: dict[str, int] = {}
        """By fingerprint, the number of what it was told."""
        self._queue: deque[str] = deque()
        self._next_at = 0

    def recall(self, piece: int) -> None:
        """After a start all that fires is to be told at once: the sink may have forgotten it."""
        if self._every is None:
            return
        with self._store.reader() as cursor:
            told = list(deliveries.newest_taken(cursor, self._sink).items())
            for some in (told[at : at + piece] for at in range(0, len(told), piece)):
                found = deliveries.notifications(cursor, self._sink, [seq for _, seq in some])
                firing = {seq for seq, one in found.items() if one.status == "firing"}
                self._fires |= {of: seq for of, seq in some if seq in firing}
        self._queue.extend(self._fires)
        self._next_at = self._clock() + self._every

    def taken(self, one: Waiting) -> None:
        if self._every is None:
            return
        if one.notification.status == "firing":
            self._fires[one.notification.fingerprint] = one.seq
        else:
            self._fires.pop(one.notification.fingerprint, None)

    def left(self) -> int | None:
        """µs until there is something to do; None: never. A clock that was set keeps nobody
        waiting."""
        if self._every is None:
            return None
        left = self._next_at - self._clock()
        return left if not self._queue and 0 < left <= self._every else 0

    def due(self, piece: int) -> list[str]:
        """The next alerts to tell of, by fingerprint; each is there until it is `done`."""
        if self.left() != 0:
            return []
        if not self._queue:
            self._next_at = self._clock() + (self._every or 0)
            self._queue.extend(self._fires)
        return list(islice(self._queue, piece))

    def read(self, some: list[str]) -> dict[str, Notification]:
        """Without those that have been resolved meanwhile."""
        seqs = {of: self._fires[of] for of in some if of in self._fires}
        with self._store.reader() as cursor:
            found = deliveries.notifications(cursor, self._sink, list(seqs.values()))
        return {of: found[seq] for of, seq in seqs.items() if seq in found}

    def done(self) -> None:
        """The first that was due."""
        self._queue.popleft()
