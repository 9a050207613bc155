"""Readers come and go beside the writer, which at times needs a moment without any of them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Gate:
    def __init__(self) -> None:
        self._change = threading.Condition()
        self._inside = 0
        self._shut = False

    def enter(self) -> None:
        """As soon as it is open."""
        with self._change:
            self._change.wait_for(lambda: not self._shut)
            self._inside += 1

    def leave(self) -> None:
        with self._change:
            self._inside -= 1
            self._change.notify_all()

    def shut(self, patience_s: float | None = None) -> bool:
        """Lets nobody in any more, until it is opened. Whether all have left."""
        with self._change:
            self._shut = True
            return self._change.wait_for(lambda: not self._inside, patience_s)

    def open(self) -> None:
        with self._change:
            self._shut = False
            self._change.notify_all()

    @contextmanager
    def moment(self, patience_s: float, let_in_s: float | None) -> Iterator[None]:
        """Begins with nobody inside, if all leave in time. New ones are let in so long after its
        beginning, or (None) at its end."""
        self.shut(patience_s)
        begun = threading.Timer(let_in_s or 0.0, self.open)
        try:
            if let_in_s is not None:
                # Where no thread is to be had, they wait for its end.
                with suppress(RuntimeError):
                    begun.start()
            yield
        finally:
            begun.cancel()
            if begun.ident is not None:
                begun.join()  # or it might open what is shut for something else by then
            self.open()

    def wait_for(self, change: Callable[[], bool], patience_s: float) -> bool:
        """For something that is done while it is shut."""
        with self._change:
            return self._change.wait_for(change, patience_s)
