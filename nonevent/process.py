"""What holds for the daemon's whole process, set before any of its threads begins."""

import ctypes
import faulthandler
import sys
from contextlib import suppress

M_ARENA_MAX = -8
"""Of glibc's `mallopt`."""
ARENAS = 2


def settle_in() -> None:
    """Where a library crashes, the log has the stack of each thread, and memory is shared by them.

    Else each of the many threads, ours and DuckDB's, is given an arena of its own, and what lies
    free in that of another one is not used: the daemon grew for as long as it ran.
    """
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)
    with suppress(AttributeError, OSError, TypeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
