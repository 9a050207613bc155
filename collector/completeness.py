"""Up to which moment everything in a partition was seen. Absence is judged nowhere else.

Pure: what was polled goes in, a moment comes out. Times are µs; record times, never payload times.
"""

from collections import deque
from dataclasses import dataclass

from collector.times import NEVER, US_PER_S

SET_BACK = US_PER_S
"""A clock that is corrected by less is only waited for: rules' `grace` is longer."""
WINDOW = 1_000
"""So many last records bound how far out of order a partition's record times are."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What a fetch that was sent at `sent` said of a partition's ends."""

    sent: int
    high_watermark: int
    last_stable_offset: int


def possible(moment: int, now: int) -> int:
    """NEVER for a moment of sight that is yet to come: the clock ran ahead when it was noted."""
    return NEVER if moment > now + SET_BACK else moment


class Completeness:
    """One partition's moment. It never passes the clock, and goes back with that alone.

    - Read up to the high watermark of a fetch sent at p: complete to p; an idle partition that is
      caught up so moves with the clock.
    - Read up to the last stable offset, below the high watermark: an open transaction may hide
      what others have committed behind it; held where it was.
    - Behind: complete to the lowest record time among the last 1,000 records.
    - The clock was set back: what was noted by it is worth nothing, and the next fetch tells anew.
    """

    def __init__(self, complete_to: int = NEVER) -> None:
        self.complete_to = complete_to
        self._poll: Poll | None = None
        self._last: deque[int] = deque(maxlen=WINDOW)
        self.reached: int | None = None
        """How far in record time the last read went: the middle of it, whatever single ones say."""

    def polled(self, poll: Poll) -> None:
        self._poll = poll

    def read(self, record_times: list[int]) -> None:
        """Record times in the order of offsets."""
        last = record_times[-WINDOW:]
        self._last.extend(last)
        if last:
            self.reached = sorted(last)[len(last) // 2]

    def advance(self, position: int, now: int) -> int:
        """The moment, given that everything below `position` was read."""
        self.complete_to = possible(self.complete_to, now)
        poll = self._poll
        if poll is None or possible(poll.sent, now) == NEVER:
            return self.complete_to
        if position >= poll.high_watermark:
            moment = poll.sent
            self._last.clear()
        elif position >= poll.last_stable_offset or not self._last:
            return self.complete_to
        else:
            moment = min(self._last)
        self.complete_to = max(self.complete_to, min(moment, now))
        return self.complete_to
