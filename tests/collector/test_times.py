"""Moments and durations: what counts as one, and what does not."""

import math
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.times import (
    FOREVER,
    NEVER,
    US_PER_MS,
    US_PER_S,
    format_duration,
    format_time,
    how_durations_are_written,
    parse_duration,
    parse_time,
    parse_times,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400 * US_PER_S
MARCH = 1_772_359_200 * US_PER_S
"""2026-03-01T10:00:00Z"""


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("500ms", 500_000),
        ("30s", 30 * US_PER_S),
        ("5m", 300 * US_PER_S),
        ("2h", 7200 * US_PER_S),
        ("1d", DAY),
        ("0s", 0),
        ("1.5s", 1_500_000),
        ("0.25ms", 250),
        (" 30s ", 30 * US_PER_S),
        ("100000d", 100_000 * DAY),
    ],
)
def test_a_duration_is_a_number_and_its_unit(text: str, us: int) -> None:
    assert parse_duration(text) == us


@pytest.mark.parametrize(
    "text",
    ["", "30", "s", "-5s", "1h30m", "30 s", "1w", "5M", "1e3s", ".5s", "5.s", "٣s", "NaNs", "infs"],
)
def test_what_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize("text", ["100001d", "9" * 400 + "s", "999999999999999d"])
def test_a_duration_beyond_any_calendar_is_none(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1h30m", "write `90m`"),
        ("1h30m5s", "write `5405s`"),
        ("1d12h", "write `36h`"),
        ("1s500ms", "write `1500ms`"),
        ("1.5h30m", "write `2h`"),
        (" 1m1s ", "write `61s`"),
        ("1ms0.5ms", "write `1.5ms`"),
        *((text, "write e.g. 500ms, 30s, 5m, 2h or 1d") for text in (
            "", "soon", "5", "1h 30m", "1h30", "-5m", "1h30x", "99999d99999d", "999999d1s",
        )),
    ],
)  # fmt: skip
def test_for_a_duration_of_several_units_it_is_told_how_to_write_it(text: str, said: str) -> None:
    assert parse_duration(text) is None
    assert how_durations_are_written(text) == said
    written = re.search("`(.*)`", said)
    assert written is None or parse_duration(written[1]) is not None


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0ms"),
        (500, "0.5ms"),
        (1_500_000, "1.5s"),
        (30 * US_PER_S, "30s"),
        (600 * US_PER_S, "10m"),
        (3 * DAY, "3d"),
        (200 * US_PER_S, "3m 20s"),
        (-12 * US_PER_S, "-12s"),
    ],
)
def test_a_duration_is_told_at_a_glance(us: int, text: str) -> None:
    assert format_duration(us) == text


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00z",
        "2026-03-01t10:00:00Z",
        "2026-03-01 10:00:00+00:00",
        "2026-03-01T12:00:00+02:00",
        "2026-03-01T04:30:00-05:30",
        "2026-03-01T10:00:00.000000Z",
        "2026-03-01T10:00:00.000000999Z",
        1_772_359_200_000,
        1_772_359_200_000.0,
        "1772359200000",
    ],
)
def test_one_moment_written_in_many_ways(value: object) -> None:
    assert parse_time(value) == MARCH


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01T10:00:00",
        "2026-03-01",
        "2026-02-30T10:00:00Z",
        "2026-03-01T10:00:60Z",
        "2026-03-01T25:00:00Z",
        "soon",
        "",
        "-5",
        "1.5",
        "٣٣",
        None,
        True,
        False,
        [],
        {},
        math.nan,
        math.inf,
        -math.inf,
        1e14,
        10**400,
        -(10**400),
        "9" * 15,
        "9" * 5_000,
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_what_is_no_moment(value: object) -> None:
    assert parse_time(value) is None


@given(
    st.from_regex(
        r"20\d\d-[01]\d-[0-3]\d[Tt ][012]\d:[0-6]\d:[0-6]\d[.,][0-9\u0663]{3}[Zz]", fullmatch=True
    )
    | st.from_regex(r"([0-9]{8}T[0-9]{6}\\.[0-9]{3}|[0-9TW:.+-]{19})\.[0-9+:-]{3}Z", fullmatch=True)
)
def test_the_usual_form_means_what_the_standard_library_takes_it_for(text: str) -> None:
    assert parse_times([text, 5, text]) == [parse_time(text), 5_000, parse_time(text)]
    assert parse_times([text] * 2) == [parse_time(text)] * 2
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        assert parse_time(text) is None
    else:
        assert parse_time(text) == round((moment - EPOCH) / timedelta(microseconds=1))


def test_milliseconds_as_text_are_never_taken_for_a_date_without_dashes() -> None:
    # 1712-01-15 at 23:45, if one wanted to read it so.
    assert parse_time("1712011512345") == 1_712_011_512_345 * US_PER_MS


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_whatever_is_a_moment_has_a_date_and_so_has_a_deadline_after_it(value: object) -> None:
    moment = parse_time(value)
    if moment is not None:
        longest = parse_duration("100000d")
        assert longest is not None
        assert parse_time(format_time(moment)) == moment
        assert format_time(moment + longest).endswith("Z")


@given(st.integers(min_value=-62_135_596_800 * US_PER_S, max_value=4_000_000_000 * US_PER_S))
def test_a_moment_survives_being_written_and_read(us: int) -> None:
    assert parse_time(format_time(us)) == us


def test_what_is_never_or_for_ever_is_said_so() -> None:
    assert format_time(NEVER) == "never"
    assert format_time(FOREVER) == "for ever"
