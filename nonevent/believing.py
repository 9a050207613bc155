"""A clock that is set is not believed at once: what is deleted by mistake is gone."""

import logging
from collections.abc import Callable

from collector.times import US_PER_S, format_duration

log = logging.getLogger(__name__)

SET = 60 * US_PER_S
"""More than clocks are slewed or a busy machine is late."""
TRUSTED_AFTER = 3600 * US_PER_S


class Believed:
    """The clock, but for the first hour after it was set: until then time runs on as before.

    `elapsed` (µs, from any beginning) is what no setting of the clock changes. Also a machine that
    slept has a clock that was set.
    """

    def __init__(self, clock: Callable[[], int], elapsed: Callable[[], int]) -> None:
        self._clock, self._elapsed = clock, elapsed
        self._offset = self._newest = clock() - elapsed()
        self._since = elapsed()

    def __call__(self) -> int:
        elapsed = self._elapsed()
        offset = self._clock() - elapsed
        if abs(offset - self._newest) > SET:
            self._since = elapsed
            by = format_duration(abs(offset - self._offset))
            log.warning("the clock was set, and is %s off: retention follows it in an hour", by)
        self._newest = offset
        if abs(offset - self._offset) <= SET or elapsed - self._since > TRUSTED_AFTER:
            self._offset = offset
        return elapsed + self._offset
