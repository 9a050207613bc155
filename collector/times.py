"""Moments and durations. Inside, both are integers in µs; moments count from the epoch, in UTC."""

import functools
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

US_PER_MS = 1_000
US_PER_S = 1_000_000
FOREVER = 2**62
NEVER = -(2**62)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 10**14
"""The year 1, and one far enough before the last that a deadline still has a date."""
_UNITS = {"ms": US_PER_MS, "s": US_PER_S, "m": 60 * US_PER_S, "h": 3600 * US_PER_S,
          "d": 86_400 * US_PER_S}  # fmt: skip
_SECOND = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", re.ASCII)
_MILLIS = {f".{ms:03d}Z": ms * US_PER_MS for ms in range(1000)}
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(ms|s|m|h|d)")
_PART = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?(?:ms|s|m|h|d)")
_LONGEST = 100_000 * _UNITS["d"]
"""No deadline may lie where no calendar goes."""


def parse_duration(text: str) -> int | None:
    """`500ms 30s 5m 2h 1d` in µs; None when it is none of these."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    us = round(float(match[1]) * _UNITS[match[2]])
    return us if us <= _LONGEST else None


def how_durations_are_written(text: str) -> str:
    """What to write in place of a text that is no duration; of `1h30m` it is known."""
    parts = [parse_duration(part) for part in _PART.findall(text)]
    whole = "".join(_PART.findall(text)) == text.strip()
    us = sum(part for part in parts if part is not None)
    if len(parts) < 2 or not whole or None in parts or us > _LONGEST:
        return "write e.g. 500ms, 30s, 5m, 2h or 1d"
    unit = next((name for name in ("d", "h", "m", "s") if us % _UNITS[name] == 0), "ms")
    return f"write `{us / _UNITS[unit]:.15g}{unit}`"


def format_duration(us: int) -> str:
    """The shortest form that a person reads at a glance: `1.5s`, `10m`, `3d`."""
    sign = "-" if us < 0 else ""
    us = abs(us)
    for unit in ("d", "h", "m"):
        if us >= _UNITS[unit] and us % _UNITS[unit] == 0:
            return f"{sign}{us // _UNITS[unit]}{unit}"
    if us >= 120 * US_PER_S:
        minutes, rest = divmod(us // US_PER_S, 60)
        return f"{sign}{minutes}m {rest}s" if minutes < 120 else f"{sign}{minutes // 60}h"
    if us >= US_PER_S:
        return f"{sign}{us / US_PER_S:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{sign}{us / US_PER_MS:.3f}".rstrip("0").rstrip(".") + "ms"


def parse_time(value: object) -> int | None:
    """RFC 3339 with a zone, or epoch milliseconds (number, or digits as text); else None."""
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        # NaN and the infinities are no moments, and neither is what no calendar holds.
        return round(value * US_PER_MS) if _FIRST_MS <= value < _LAST_MS else None
    if value.isdecimal() and value.isascii():
        # Before the calendar is asked: it would read some of these as a date without dashes.
        return parse_time(int(value)) if len(value) < 15 else None
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    past = moment - _EPOCH
    us = (past.days * 86_400 + past.seconds) * US_PER_S + past.microseconds
    return us if _FIRST_MS <= us // US_PER_MS < _LAST_MS else None


def parse_times(values: Sequence[object]) -> list[int | None]:
    """The same of many: most are written as 2026-03-01T10:05:00.123Z, many of one second."""
    texts = cast(Sequence[str], values)
    try:
        seconds = {second: _second(second) for second in {text[:19] for text in texts}}
        return [seconds[text[:19]] + _MILLIS[text[19:]] for text in texts]
    except (TypeError, ValueError, KeyError):  # no text, no such second, no such rest of one
        return list(map(parse_time, values))


@functools.lru_cache(maxsize=1024)
def _second(text: str) -> int:
    us = parse_time(f"{text}Z") if _SECOND.fullmatch(text) else None
    if us is None:
        raise ValueError(text)
    return us


def format_time(us: int) -> str:
    """RFC 3339 in UTC, with milliseconds (microseconds where there are any)."""
    if not NEVER < us < FOREVER:
        return "never" if us <= NEVER else "for ever"
    second, rest = divmod(us, US_PER_S)
    millis, micros = divmod(rest, US_PER_MS)
    return f"{_written(second)}.{rest:06}Z" if micros else f"{_written(second)}.{millis:03}Z"


@functools.lru_cache(maxsize=1024)
def _written(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat()
