"""How long to wait before the next try of what does not work, and when to say so again."""

from collector.times import US_PER_S

FIRST_PAUSE = US_PER_S // 2
LONGEST_PAUSE = 10 * US_PER_S
FIRST_REMINDER = 60 * US_PER_S
LONGEST_REMINDER = 3600 * US_PER_S


class Patience:
    """One thing that fails, from its first failure on. Moments are µs."""

    def __init__(self, now: int) -> None:
        self.since = now
        self.why = ""
        self.next_try = now
        self.pause = 0
        """Between the last try and the next."""
        self._tried = now
        self._reminder = FIRST_REMINDER
        self._remind_at = now

    def failed(self, now: int, why: str) -> bool:
        """Notes a try that failed; true when it is time to say so, again or for another reason."""
        tell = now >= self._remind_at or why != self.why
        if now >= self._remind_at and self.why:
            self._reminder = min(self._reminder * 2, LONGEST_REMINDER)
        if tell:
            self._remind_at = now + self._reminder
        self.why, self._tried = why, now
        self.pause = min(self.pause * 2, LONGEST_PAUSE) or FIRST_PAUSE
        self.next_try = now + self.pause
        return tell

    def due(self, now: int) -> bool:
        """Whether it is time for the next try; a clock that was set back keeps nobody waiting."""
        return now >= self.next_try or now < self._tried
