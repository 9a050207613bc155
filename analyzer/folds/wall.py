"""Clocks on the wall, which leap ahead and are set back: what they show, and when first."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from collector.times import US_PER_S

DAY = 24 * 3600 * US_PER_S
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def offset(time: int, tz: ZoneInfo) -> int:
    """By how much a clock there is ahead of UTC at this moment; µs."""
    ahead = (_EPOCH + time * _US).astimezone(tz).utcoffset()
    assert ahead is not None
    return ahead // _US


def shown(time: int, tz: ZoneInfo) -> int:
    """What a clock there shows at this moment, in µs since its own 1970."""
    return time + offset(time, tz)


def first_showing(wall: int, tz: ZoneInfo) -> int:
    """The first moment at which a clock there shows this or, where it leaps over it, more."""
    naive = (_EPOCH + wall * _US).replace(tzinfo=tz, fold=0)
    time = (naive - _EPOCH) // _US
    if shown(time, tz) == wall:
        return time
    # It is leapt over: by the offset of before, the moment lies after the leap.
    early = time - DAY
    while time - early > 1:
        middle = (early + time) // 2
        early, time = (early, middle) if shown(middle, tz) >= wall else (middle, time)
    return time
