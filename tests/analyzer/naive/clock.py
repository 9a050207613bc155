"""Clocks by brute force: ticks of a cron line and windows of time, stepped through one by one."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

S = 1_000_000
MINUTE = 60 * S
DAY = 24 * 60 * MINUTE
EPOCH = datetime(1970, 1, 1)
NAMES = {
    name: str(number)
    for names, first in (
        ("SUN MON TUE WED THU FRI SAT", 0),
        ("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC", 1),
    )
    for number, name in enumerate(names.split(), first)
}
SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}


def wall(moment: int, zone: str) -> datetime:
    """What a clock on the wall shows then, without its zone."""
    seconds, rest = divmod(moment, S)
    shown = datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(zone))
    return shown.replace(tzinfo=None, microsecond=rest)


def moments(shown: datetime, zone: str) -> list[int]:
    """When a clock shows just this: never, once or twice."""
    found = set()
    for fold in (0, 1):
        aware = shown.replace(tzinfo=ZoneInfo(zone), fold=fold)
        moment = (aware.astimezone(UTC).replace(tzinfo=None) - EPOCH) // timedelta(microseconds=1)
        if wall(moment, zone) == shown:
            found.add(moment)
    return sorted(found)


def named(field: str, low: int, high: int) -> frozenset[int]:
    """The values that one field of a cron line names."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = str(low), str(high)
        elif not last:
            last = str(high) if step else first
        found.update(range(int(first), int(last) + 1, int(step or 1)))
    return frozenset(found)


@cache
def fields(line: str) -> tuple[frozenset[int], ...]:
    text = SHORT.get(line, line).upper()
    for name, number in NAMES.items():
        text = text.replace(name, number)
    given = text.split()
    seconds = ["0"] if len(given) == 5 else []
    limits = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    return tuple(named(field, *limit) for field, limit in zip(seconds + given, limits, strict=True))


def fires(line: str, shown: datetime) -> bool:
    """Whether a cron line names what a clock shows, to the second."""
    second, minute, hour, day, month, weekday = fields(line)
    if shown.second not in second or shown.minute not in minute or shown.hour not in hour:
        return False
    today = shown.isoweekday() % 7
    on_day = shown.day in day
    on_weekday = today in weekday or (today == 0 and 7 in weekday)
    # Where both are given, either will do.
    given = len(day) < 31 and not {0, 1, 2, 3, 4, 5, 6} <= weekday
    return shown.month in month and (on_day or on_weekday if given else on_day and on_weekday)


@cache
def ticks(line: str, zone: str, since: int, until: int, step: int) -> tuple[int, ...]:
    """Every tick in [since, until): one that no clock shows comes at the next instant, one that
    it shows twice comes once."""
    shown = wall(since - DAY // 4, zone).replace(second=0, microsecond=0)
    last = wall(until + DAY // 4, zone)
    found = set()
    while shown < last:
        if fires(line, shown):
            there = moments(shown, zone)
            found.add(there[0] if there else next_instant(shown, zone))
        shown += timedelta(microseconds=step)
    return tuple(sorted(tick for tick in found if since <= tick < until))


def next_instant(shown: datetime, zone: str) -> int:
    """The first moment at which a clock has passed what it never showed."""
    moment = (shown - EPOCH) // timedelta(microseconds=1) - DAY
    moment -= moment % MINUTE
    while wall(moment, zone) < shown:
        moment += MINUTE
    return moment


@cache
def spans(per: int, zone: str, since: int, until: int) -> tuple[tuple[int, int], ...]:
    """The windows that begin in [since, until): one ends when the clock first shows its end, a
    multiple of `per` since the epoch, or leaps over it. If windows divide what a clock is set back
    by, they come again; else one lasts until the clock has made that good."""
    limit = max(2 * DAY, 2 * per)
    start = since - limit
    start -= start % MINUTE
    edges = []
    before = reached = shown_since_epoch(start - MINUTE, zone)
    for moment in range(start, until + limit, MINUTE):
        shown = shown_since_epoch(moment, zone)
        if shown <= before and (before + MINUTE - shown) % per == 0:
            reached = shown - MINUTE
        if shown > reached:
            if shown // per != reached // per:
                edges.append(moment)
            reached = shown
        before = shown
    return tuple((start, end) for start, end in pairwise(edges) if since <= start < until)


def shown_since_epoch(moment: int, zone: str) -> int:
    return (wall(moment, zone) - EPOCH) // timedelta(microseconds=1)


WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def in_during(moment: int, during: str, zone: str) -> bool:
    """Whether a clock shows one of these times of the week."""
    shown = wall(moment, zone)
    minute = shown.hour * 60 + shown.minute
    for part in during.split(", "):
        days, times = "Mon-Sun", "00:00-24:00"
        for word in part.split():
            if word[0].isdigit():
                times = word
            else:
                days = word
        first, _, last = days.partition("-")
        numbers = range(WEEK.index(first), WEEK.index(last or first) + 1)
        start, end = (int(t[:2]) * 60 + int(t[3:]) for t in times.split("-"))
        today, yesterday = shown.weekday(), (shown.weekday() - 1) % 7
        if start < end:
            if today in numbers and start <= minute < end:
                return True
        # It goes on over midnight.
        elif (today in numbers and minute >= start) or (yesterday in numbers and minute < end):
            return True
    return False


def wholly(start: int, end: int, during: str, zone: str) -> bool:
    """On the clock of that zone, from what it shows first to what it shows last."""
    first = shown_since_epoch(start, zone)
    return all(
        in_during(moment, during, zone)
        for moment in range(start, end, MINUTE)
        if shown_since_epoch(moment, zone) >= first
    )
