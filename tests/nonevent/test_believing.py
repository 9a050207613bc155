"""Retention's clock: set by much, it is believed after an hour; slewed, at once."""

from collector.times import US_PER_S
from nonevent.believing import SET, TRUSTED_AFTER, Believed

START = 1_800_000_000 * US_PER_S
DAYS = 10 * 86_400 * US_PER_S


class Clocks:
    """What passes, and how far the clock is off it."""

    def __init__(self) -> None:
        self.elapsed = 5 * US_PER_S
        self.offset = START
        self.believed = Believed(lambda: self.elapsed + self.offset, lambda: self.elapsed)

    def after(self, seconds: float) -> int:
        """How far what is believed is from what the clock was at first."""
        self.elapsed += round(seconds * US_PER_S)
        return self.believed() - self.elapsed - START


def test_a_clock_that_nobody_sets_is_believed() -> None:
    clocks = Clocks()
    assert [clocks.after(s) for s in (0, 1, 300, 86_400)] == [0, 0, 0, 0]


def test_a_clock_that_is_set_ahead_and_right_again_is_never_believed() -> None:
    clocks = Clocks()
    clocks.offset += DAYS
    assert [clocks.after(s) for s in (1, 1_000, 2_000)] == [0, 0, 0]
    clocks.offset -= DAYS
    assert [clocks.after(s) for s in (1, 4_000, 10_000)] == [0, 0, 0]


def test_a_clock_that_stays_as_it_was_set_is_believed_after_an_hour() -> None:
    for by in (DAYS, -DAYS):
        clocks = Clocks()
        clocks.offset += by
        assert clocks.after(1) == 0
        assert clocks.after(TRUSTED_AFTER / US_PER_S - 1) == 0
        assert clocks.after(2) == by


def test_a_clock_that_is_set_again_and_again_is_not_believed_before_it_rests() -> None:
    clocks = Clocks()
    for _ in range(5):
        clocks.offset += DAYS
        assert clocks.after(3_000) == 0
    assert clocks.after(3_700) == 5 * DAYS


def test_a_clock_that_is_slewed_is_followed() -> None:
    clocks = Clocks()
    for step in range(1, 100):
        clocks.offset += SET // 2
        assert clocks.after(1) == step * (SET // 2)
