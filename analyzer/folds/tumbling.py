"""Windows that follow each other without a break, aligned to the epoch on somebody's clock."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from analyzer.folds.wall import DAY, first_showing, offset, shown
from collector.times import US_PER_S

MINUTE = 60 * US_PER_S
HOUR = 60 * MINUTE
THURSDAY = 3
"""The weekday of the epoch."""
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

    def until(self, wall: int) -> int | None:
        """Up to when a clock that shows this shows a time of these; None: it shows none."""
        today = wall // DAY
        for day in (today, today - 1):
            over = 1440 if self.end <= self.start else 0
            start, end = (day * DAY + n * MINUTE for n in (self.start, self.end + over))
            if (day + THURSDAY) % 7 in self.days and start <= wall < end:
                return end
        return None


def covers(spans: Sequence[Span], wall: int, end: int) -> bool:
    """Whether all that a clock shows from `wall` to `end` lies in these."""
    while wall < end:
        found = [until for span in spans if (until := span.until(wall)) is not None]
        if not found:
            return False
        wall = max(found)
    return True


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
    """Windows of `per` µs on the clock of `tz`; only those that lie within `during`.

    A window ends when the clock first shows its end: where it leaps ahead, some are shorter or
    never begin; where it is set back, one is longer. Windows that divide the leap stay as they are.
    """

    per: int
    tz: ZoneInfo | None = None
    during: tuple[Span, ...] = ()

    def longest(self) -> int:
        """No window lasts longer."""
        whole = self.tz is None or (HOUR // 2) % self.per == 0
        return self.per if whole else self.per + 2 * HOUR

    def containing(self, time: int) -> tuple[int, int]:
        """The window in which this moment lies: its start, and its end, which is the next one's."""
        per, tz = self.per, self.tz
        ahead = 0 if tz is None else offset(time, tz)
        start = time - (time + ahead) % per
        end = start + per
        if tz is None or all(
            (offset(near, tz) - ahead) % per == 0 for near in (start - DAY, start, end - DAY, end)
        ):
            return start, end
        wall = start + ahead
        while (end := first_showing(wall + per, tz)) <= time:
            wall += per
        return first_showing(wall, tz), end

    def before(self, start: int, by: int) -> tuple[int, int]:
        """The window so long before the one that starts here. Days are those of the clock."""
        tz = self.tz
        if tz is None or by % DAY:
            return self.containing(start - by)
        then = start - by
        if offset(then, tz) != offset(start, tz):
            then = first_showing(shown(start, tz) - by, tz)
        return self.containing(then)

    def compared_with(self, start: int, end: int, by: int) -> Iterator[tuple[int, int]]:
        """The windows so long after this one, for which it is the one before."""
        tz, since, until = self.tz, start + by, end + by
        if tz is not None and len({offset(t, tz) for t in (start, since - DAY, until + DAY)}) > 1:
            since, until = since - 2 * HOUR, until + 2 * HOUR
        for later in self.between(since, until - 1):
            if self.before(later[0], by) == (start, end):
                yield later

    def counts(self, start: int, end: int) -> bool:
        if not self.during:
            return True
        if self.tz is None:
            return covers(self.during, start, end)
        return covers(self.during, shown(start, self.tz), shown(end - 1, self.tz) + 1)

    def between(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """Those that start from `since` to `until`."""
        start, end = self.containing(since)
        while start <= until:
            if start >= since and self.counts(start, end):
                yield start, end
            start, end = self.containing(end)
