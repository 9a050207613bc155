"""How long what failed rests before it is tried again. Moments are µs."""

from collections.abc import Callable

from collector.times import US_PER_S

FIRST_PAUSE = US_PER_S // 4
LONGEST_PAUSE = 60 * US_PER_S
FIRST_REFUSED, LONGEST_REFUSED = 2 * US_PER_S, 600 * US_PER_S
REFUSALS = 6
"""So often one is refused until it is given up: over eleven minutes."""

Chance = Callable[[], float]
"""From 0 to 1."""


class Rest:
    """Of one alert's message, or of a whole sink: since when it fails, why, and until when it
    is left alone. Pauses grow, and no two are alike, so that many who wait do not come at once."""

    def __init__(self, now: int) -> None:
        self.since = now
        self.tries = 0
        self.refusals = 0
        self.why = ""
        self.until = now
        self.perhaps_taken = False
        self.asked = False
        """Whether the sink itself has said how long."""
        self._pause = 0

    def failed(self, now: int, why: str, chance: Chance, at_least: float | None = None) -> None:
        """`at_least`: seconds that were asked for."""
        self.tries += 1
        self._again(now, why, FIRST_PAUSE * 2 ** min(self.tries - 1, 20), LONGEST_PAUSE, chance)
        self.asked = at_least is not None
        if at_least is not None:
            self._pause = max(self._pause, round(at_least * US_PER_S))
            self.until = now + self._pause

    def refused(self, now: int, why: str, chance: Chance) -> None:
        self.refusals += 1
        pause = FIRST_REFUSED * 4 ** min(self.refusals - 1, 10)
        self._again(now, why, pause, LONGEST_REFUSED, chance)

    @property
    def hopeless(self) -> bool:
        return self.refusals >= REFUSALS

    def _again(self, now: int, why: str, pause: int, longest: int, chance: Chance) -> None:
        self._pause = round(min(pause, longest) * (0.5 + chance() / 2))
        self.why, self.until = why, now + self._pause

    def over(self) -> None:
        self._pause = 0

    def left(self, now: int) -> int:
        """µs until the next try; a clock that was set back keeps nobody waiting."""
        left = self.until - now
        return left if 0 < left <= self._pause else 0
