"""The one clock, in µs. Everything below the daemon is handed a moment, or this function."""

import time


def clock() -> int:
    return time.time_ns() // 1000
