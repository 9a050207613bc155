"""Moments and durations as people write and read them; all clocks are UTC."""

import re
from datetime import UTC, datetime, timedelta

from ui.errors import BadParameterError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
YEAR_2000_MS = 946_684_800_000
YEAR_10000_US = 253_402_300_800_000_000
MS_OF_UNIT = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

DURATION = re.compile(r"(?:[0-9]{1,9}(?:ms|s|m|h|d))+")
DURATION_PART = re.compile(r"([0-9]+)(ms|s|m|h|d)")
EPOCH_MS = re.compile(r"[0-9]{1,15}")
# `+01:00` in an address that was not escaped arrives as ` 01:00`.
SPACE_FOR_PLUS = re.compile(r" (?=[0-9]{2}:?[0-9]{2}$)")


def parse_moment(name: str, text: str, now: float) -> int:
    """µs since 1970 from RFC 3339 with a zone, epoch milliseconds, or an age such as `1h`.

    `name` is the parameter that errors speak of, `now` seconds since 1970.
    """
    if EPOCH_MS.fullmatch(text):
        micros = _from_epoch_ms(name, int(text))
    elif DURATION.fullmatch(text):
        age = sum(int(n) * MS_OF_UNIT[unit] for n, unit in DURATION_PART.findall(text))
        micros = max(0, int(now * 1_000_000) - age * 1_000)
    else:
        micros = _from_rfc3339(name, text)
    if not 0 <= micros < YEAR_10000_US:
        raise BadParameterError(name, f"{text!r} lies outside the years 1970 to 9999")
    return micros


def moment_if_given(name: str, text: str | None, now: float) -> int | None:
    """The same of what may be left out."""
    return None if text is None else parse_moment(name, text, now)


def _from_epoch_ms(name: str, value: int) -> int:
    if 0 < value < YEAR_2000_MS:
        raise BadParameterError(
            name,
            f"{value} milliseconds after 1970 lie before the year 2000; "
            f"if these are seconds, write {value * 1000}",
        )
    return value * 1_000


def _from_rfc3339(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(SPACE_FOR_PLUS.sub("+", text))
    except ValueError:
        raise BadParameterError(
            name,
            f"{text!r} is no moment; write 2026-03-01T10:00:00Z, "
            "epoch milliseconds, or an age such as 15m, 1h, 7d",
        ) from None
    if moment.tzinfo is None:
        raise BadParameterError(name, f"{text!r} has no zone; add one, such as {text}Z or +01:00")
    return (moment - EPOCH) // MICROSECOND


def parsed(text: str) -> datetime | None:
    """An RFC 3339 answer of ours in UTC; None when it cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def day(text: str) -> str:
    """`2026-03-01`; empty when the time cannot be read."""
    moment = parsed(text)
    return f"{moment:%Y-%m-%d}" if moment else ""


def clock(text: str) -> str:
    """`10:02:30.123`; the text itself when it cannot be read."""
    moment = parsed(text)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}" if moment else text


def brief(text: str, now: float) -> str:
    """`10:02:30` on the day of `now`, with the date on any other."""
    moment = parsed(text)
    if moment is None:
        return text
    today = datetime.fromtimestamp(now, UTC).date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M:%S}"


def between_ms(begin: str, end: str) -> float | None:
    """Milliseconds from one of our times to another; None when either cannot be read."""
    first, last = parsed(begin), parsed(end)
    if first is None or last is None:
        return None
    return (last - first) / timedelta(milliseconds=1)


def duration(ms: float) -> str:
    """A span in at most two units: `40 ms`, `2.4 s`, `3 min 20 s`, `2 d 4 h`."""
    whole = round(ms)
    if whole < 1_000:
        return f"{whole} ms"
    if whole < 10_000:
        return f"{whole / 1_000:.1f} s"
    seconds = whole // 1_000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return _two_units(seconds, 60, "min", 1, "s")
    if seconds < 86_400:
        return _two_units(seconds, 3_600, "h", 60, "min")
    return _two_units(seconds, 86_400, "d", 3_600, "h")


def _two_units(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = seconds % large // small
    head = f"{seconds // large} {large_name}"
    return f"{head} {rest} {small_name}" if rest else head
