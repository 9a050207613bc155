"""Pauses grow up to a bound, and so do the distances at which it is said again."""

from collector.sources.patience import FIRST_PAUSE, LONGEST_PAUSE, Patience
from collector.times import US_PER_S


def test_pauses_double_up_to_the_longest() -> None:
    patience, now, pauses = Patience(0), 0, []
    for _ in range(8):
        patience.failed(now, "away")
        pauses.append(patience.next_try - now)
        now = patience.next_try
        assert patience.due(now)
        assert not patience.due(now - 1)
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-2:] == [LONGEST_PAUSE, LONGEST_PAUSE]


def test_it_is_told_at_first_and_then_ever_more_seldom_and_when_the_reason_changes() -> None:
    patience = Patience(0)
    told = [s for s in range(3600) if patience.failed(s * US_PER_S, "away")]
    assert told == [0, 60, 180, 420, 900, 1860]
    assert patience.failed(3600 * US_PER_S, "another reason")


def test_a_clock_that_was_set_back_keeps_nobody_waiting() -> None:
    patience = Patience(10**15)
    patience.failed(10**15, "away")
    assert patience.due(10**14)
