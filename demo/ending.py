"""Ctrl-C and SIGTERM: both end the demo, once, and in order."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """Before anybody waits for it, a signal interrupts; then it wakes who waits.

    Whatever comes after the first one is ignored: cleaning up must not be cut short.
    """

    def __init__(self) -> None:
        self._asked = False
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def wait(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._event.wait()

    def __enter__(self) -> Ending:
        self._before = [signal.signal(number, self._on_signal) for number in SIGNALS]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._asked:  # the process is about to end: an impatient second one must not spoil it
            return
        for number, handler in zip(SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            return
        self._asked = True
        if self._loop is None:
            raise KeyboardInterrupt
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)
