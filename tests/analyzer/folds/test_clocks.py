"""Windows and ticks on clocks that are set, against clocks that are stepped through."""

from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.folds.schedule import Clock
from analyzer.folds.tumbling import Tumbling, parse_during
from tests.analyzer.naive.clock import DAY, MINUTE, S, spans, ticks
from tests.analyzer.naive.random_windows import CRON, PERS
from tests.analyzer.test_naive_windows import CHANGES, moment
from tests.examples import examples

HOUR = 60 * MINUTE


@pytest.mark.parametrize("minutes", [*PERS, 7 * 1440])
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_windows_follow_each_other_and_each_moment_lies_in_one(
    zone: str, change: str, minutes: int
) -> None:
    around, tumbling = moment(change), Tumbling(minutes * MINUTE, ZoneInfo(zone))
    far = 3 * HOUR if minutes < 1440 else 2 * minutes * MINUTE
    since, until = around - far, around + far
    found = list(tumbling.between(since, until - 1))
    assert found == list(spans(minutes * MINUTE, zone, since, until))
    assert found, "there were windows to compare"
    for start, end in found:
        assert end - start <= tumbling.longest()
        for time in (start, (start + end) // 2, end - 1):
            assert tumbling.containing(time) == (start, end)


def test_windows_that_do_not_divide_the_hour_end_where_a_clock_is_set_back() -> None:
    """They began anew for ever."""
    start = moment("2025-10-26T00:15+00:00")
    found = Tumbling(45 * MINUTE, ZoneInfo("Europe/Berlin")).between(start, start + DAY)
    assert [(end - start) // MINUTE for start, end in islice(found, 2)] == [105, 45]


@pytest.mark.parametrize("line", sorted(CRON))
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_tick_that_no_clock_shows_comes_next_and_one_that_it_shows_twice_once(
    zone: str, change: str, line: str
) -> None:
    around, clock = moment(change), Clock(line.replace("@hourly", "0 * * * *"), ZoneInfo(zone))
    step = S if len(line.split()) == 6 else MINUTE
    since, until = around - 3 * HOUR, around + 3 * HOUR + CRON[line]
    wanted = list(ticks(line, zone, since, until, step))
    found = list(islice(clock.after(since - 1), len(wanted)))
    assert found == wanted
    for earlier, later in pairwise(wanted):
        assert clock.last(later - 1) == earlier
        assert clock.last(later) == later


@settings(max_examples=examples(100))
@given(
    st.sampled_from(CHANGES), st.sampled_from(PERS), st.sampled_from((HOUR, DAY, 7 * DAY)),
    st.integers(-8 * 24 * 12, 12), st.integers(0, 5 * MINUTE),
)  # fmt: skip
def test_what_is_compared_with_a_window_knows_by_which(change, minutes, by, steps, more) -> None:
    zone, when = change
    tumbling = Tumbling(minutes * MINUTE, ZoneInfo(zone))
    start, end = tumbling.containing(moment(when) + steps * 5 * MINUTE + more)
    before = tumbling.before(start, by)
    assert (start, end) in list(tumbling.compared_with(*before, by))


def test_a_day_is_compared_with_its_day_a_week_before_though_clocks_were_set() -> None:
    days = Tumbling(DAY, ZoneInfo("Europe/Berlin"))
    thursday = moment("2025-04-02T22:00+00:00")
    assert days.before(thursday, 7 * DAY)[0] == moment("2025-03-26T23:00+00:00")
    hours = Tumbling(HOUR, ZoneInfo("Europe/Berlin"))
    assert hours.before(moment("2025-04-03T06:00+00:00"), 7 * DAY)[0] == moment(
        "2025-03-27T07:00+00:00"
    )


@pytest.mark.parametrize(
    ("during", "start", "hours", "counts"),
    [
        ("01:00-02:00", "2025-10-26T00:00+00:00", 1, False),
        ("02:00-03:00", "2025-10-26T00:00+00:00", 1, True),
        ("02:00-03:00", "2025-10-26T01:00+00:00", 1, True),
        ("00:00-12:00, 12:00-18:00", "2025-06-16T08:00+00:00", 4, True),
        ("Sat-Sun", "2025-06-14T20:00+00:00", 4, True),
        ("Sat-Sun", "2025-06-15T20:00+00:00", 4, False),
        ("22:00-06:00", "2025-06-15T20:00+00:00", 8, True),
        ("Sun 22:00-06:00", "2025-06-15T20:00+00:00", 8, True),
        ("Mon 22:00-06:00", "2025-06-15T20:00+00:00", 8, False),
    ],
)
def test_a_window_counts_that_lies_wholly_in_its_hours(
    during: str, start: str, hours: int, counts: bool
) -> None:
    spans = parse_during(during)
    assert spans is not None
    tumbling = Tumbling(hours * HOUR, ZoneInfo("Europe/Berlin"), spans)
    begin = moment(start)
    assert tumbling.counts(begin, begin + hours * HOUR) == counts
