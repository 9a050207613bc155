"""A process's clock, set from outside while it runs: libfaketime, and nothing in the code.

What passes (`time.monotonic`, sleeping, time-outs) is left true, as when a real clock is set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from collector.times import US_PER_S

PLACES = (
    "/usr/lib/*-linux-gnu/faketime/libfaketimeMT.so.1",  # Debian
    "/usr/lib64/faketime/libfaketimeMT.so.1",
)


def library() -> Path | None:
    """Where the system's package lies."""
    found = (path for place in PLACES for path in Path("/").glob(place.lstrip("/")))
    return next(found, None)


class Clock:
    """`set(seconds)` sets it so much ahead, or back, of the true time."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._library = library
        self._file = folder / "clock"
        self.ahead = 0.0
        self.jumps = 0
        self._write()

    def set(self, seconds: float) -> None:
        self.ahead = seconds
        self.jumps += 1
        self._write()

    def _write(self) -> None:
        # As a whole: it is read at every look at the clock.
        new = self._file.with_suffix(".new")
        new.write_text(f"{self.ahead:+.0f}s\n")
        new.replace(self._file)

    def now(self) -> int:
        """What its processes take for now, µs."""
        return time.time_ns() // 1000 + round(self.ahead * US_PER_S)

    def environment(self) -> Mapping[str, str]:
        """For processes that shall live by it."""
        return {
            **os.environ,
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
