"""Windows that follow each other without a break, aligned to the epoch on somebody's clock."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from collector.times import US_PER_S

HOUR = 3600 * US_PER_S
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(
    r"(?:(?P<days>[A-Za-z]{3}(?:-[A-Za-z]{3})?)\s+)?"
    r"(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)|(?P<only>[A-Za-z]{3}(?:-[A-Za-z]{3})?)"
)


@dataclass(frozen=True, slots=True)
class Span:
    """Some hours of some days; where they end before they begin, they end on the day after."""

    days: frozenset[int]
    start: int
    end: int
    """In minutes of the day."""

    def holds(self, start: datetime, end: datetime) -> bool:
        """Whether all of this stretch lies within."""
        for back in (0, 1):
            day = datetime(start.year, start.month, start.day) - timedelta(days=back)
            if day.weekday() not in self.days:
                continue
            over = 1440 if self.end <= self.start else 0
            if day + timedelta(minutes=self.start) <= start and end <= day + timedelta(
                minutes=self.end + over
            ):
                return True
        return False


def parse_during(text: str) -> tuple[Span, ...] | None:
    """`Mon-Fri 08:00-20:00, Sat 10:00-14:00`, `22:00-06:00`, `Sat-Sun`; None: no such text."""
    found = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part.strip())
        days = None if match is None else _days(match["days"] or match["only"])
        if match is None or days is None:
            return None
        start, end = _minutes(match["from"] or "00:00"), _minutes(match["to"] or "24:00")
        if start is None or end is None:
            return None
        found.append(Span(days, start, end))
    return tuple(found)


def _days(text: str | None) -> frozenset[int] | None:
    if text is None:
        return frozenset(range(7))
    names = text.lower().split("-")
    if any(name not in DAYS for name in names):
        return None
    first, last = DAYS.index(names[0]), DAYS.index(names[-1])
    return frozenset((first + n) % 7 for n in range((last - first) % 7 + 1))


def _minutes(text: str) -> int | None:
    hours, minutes = int(text[:2]), int(text[3:])
    total = hours * 60 + minutes
    return total if minutes < 60 and total <= 1440 else None


@dataclass(frozen=True, slots=True)
class Tumbling:
    """Windows of `per` µs on the clock of `tz`; only those that lie within `during`."""

    per: int
    tz: ZoneInfo | None = None
    during: tuple[Span, ...] = ()

    def containing(self, time: int) -> tuple[int, int]:
        """The window in which this moment lies: its start, and its end, which is the next one's."""
        per = self.per
        if self.tz is None:
            start = time - time % per
            return start, start + per
        local = _local(time, self.tz)
        wall = round((local.replace(tzinfo=UTC) - _EPOCH) / _US)
        # An hour that the clock strikes twice is two windows, unless these are longer than it.
        fold = local.fold if per <= HOUR else 0
        start = self._utc(wall - wall % per, fold)
        if _offset(start, self.tz) == _offset(start + per - 1, self.tz):
            return start, start + per
        return start, self._utc(wall - wall % per + per, 0)

    def _utc(self, wall: int, fold: int) -> int:
        naive = (_EPOCH + wall * _US).replace(tzinfo=self.tz, fold=fold)
        return round((naive - _EPOCH) / _US)

    def counts(self, start: int, end: int) -> bool:
        if not self.during:
            return True
        tz = self.tz or UTC
        first, last = (_local(t, tz).replace(tzinfo=None, fold=0) for t in (start, end))
        return any(span.holds(first, last) for span in self.during)

    def between(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """Those that start from `since` to `until`."""
        start, end = self.containing(since)
        while start <= until:
            if start >= since and self.counts(start, end):
                yield start, end
            start, end = self.containing(end)


def _local(time: int, tz: tzinfo) -> datetime:
    return (_EPOCH + time * _US).astimezone(tz)


def _offset(time: int, tz: ZoneInfo) -> timedelta | None:
    return _local(time, tz).utcoffset()
