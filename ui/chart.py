"""Events by minute, and what people marked meanwhile: a small chart that needs no scripts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collector.times import US_PER_S, format_time, parse_time
from ui.alert_models import AlertItem, Mark
from ui.models import Count
from ui.moments import brief, parsed
from ui.queries import Queries
from ui.visible import visible

MINUTE = 60 * US_PER_S
HOUR = 60 * MINUTE
MOST_MARKS = 1_000
"""The newest; what was marked before them is on its own page."""
MOST_TOLD = 20
"""So many marks of one minute are spelled out."""


@dataclass(frozen=True)
class Bar:
    """One minute in which something happened; shares are of a hundred."""

    left: float
    height: float
    text: str


@dataclass(frozen=True)
class Flag:
    """All that was marked in one minute, as one line."""

    left: float
    kind: str
    """deploy, maintenance, both; or `began`: of the alert."""
    count: int
    told: tuple[str, ...]
    """A line each: what, who, when, about what."""

    @property
    def text(self) -> str:
        many = (f"{self.count:,} marks in this minute",) if self.count > 1 else ()
        return "\n".join((*many, *self.told))


@dataclass(frozen=True)
class Spell:
    """How long what was marked lasted."""

    left: float
    width: float


@dataclass(frozen=True)
class Chart:
    since: str
    until: str
    events: int
    most: int
    """Of one minute."""
    width: float
    """Of a minute."""
    bars: tuple[Bar, ...]
    flags: tuple[Flag, ...]
    spells: tuple[Spell, ...]
    marks: int

    @property
    def kinds(self) -> set[str]:
        found = {one.kind for one in self.flags}
        return found | {"deploy", "maintenance"} if "both" in found else found

    @property
    def text(self) -> str:
        """For who cannot see it."""
        marked = f"; {self.marks:,} mark{'' if self.marks == 1 else 's'}" if self.marks else ""
        return (
            f"Events by minute from {self.since} to {self.until} UTC: {self.events:,}, "
            f"at most {self.most:,} in one{marked}"
        )


def last_hour(queries: Queries, now: float) -> Chart:
    """What is going on, and everything that was marked."""
    until = _next_minute(int(now * US_PER_S))
    since = until - HOUR
    counts = queries.counts(since=since, until=until).items
    return chart(counts, queries.marks(limit=MOST_MARKS).items, since, until, now)


def around(queries: Queries, alert: AlertItem, marks: Sequence[Mark], now: float) -> Chart:
    """From an hour before an alert began, for an hour after it; `marks` are those about it."""
    began = parse_time(alert.began) or 0
    since = began // MINUTE * MINUTE - HOUR
    until = min(_next_minute(int(now * US_PER_S)), since + 2 * HOUR)
    counts = queries.counts(since=since, until=until).items
    return chart(counts, marks, since, until, now, alert.began)


def chart(
    counts: Sequence[Count],
    marks: Iterable[Mark],
    since: int,
    until: int,
    now: float,
    began: str | None = None,
) -> Chart:
    """Of the minutes from `since` to `until` (µs, the latter not included)."""
    span = max(until - since, MINUTE)

    def share(us: int) -> float:
        return round((min(max(us, since), until) - since) * 100 / span, 3)

    most = max((one.events for one in counts), default=0)
    bars = [
        Bar(
            share(parse_time(one.minute) or 0),
            round(one.events * 100 / most, 1),
            f"{_at(one.minute)}: {one.events:,} event{'' if one.events == 1 else 's'}",
        )
        for one in counts
        if one.events
    ]
    by_minute: dict[int, list[Mark]] = {}
    spells: list[Spell] = []
    for mark in sorted(marks, key=lambda one: (one.starts, one.id)):
        starts = parse_time(mark.starts) or 0
        ends = max(starts, parse_time(mark.ends) or starts)
        if starts >= until or ends < since:
            continue
        by_minute.setdefault(max(starts, since) // MINUTE, []).append(mark)
        if (left := share(starts)) < (right := share(ends)):
            spells.append(Spell(left, round(right - left, 3)))
    middle = MINUTE // 2
    flags = [
        _flag(share(minute * MINUTE + middle), those, now) for minute, those in by_minute.items()
    ]
    if began is not None and since <= (at := parse_time(began) or 0) < until:
        begins = Flag(share(at), "began", 1, (f"the alert began at {brief(began, now)}",))
        flags.append(begins)
    return Chart(
        since=brief(format_time(since), now)[:-3],
        until=brief(format_time(until), now)[:-3],
        events=sum(one.events for one in counts),
        most=most,
        width=round(MINUTE * 100 / span, 3),
        bars=tuple(bars),
        flags=tuple(flags),
        spells=tuple(spells),
        marks=sum(map(len, by_minute.values())),
    )


def _flag(left: float, marks: Sequence[Mark], now: float) -> Flag:
    kinds = {one.what for one in marks}
    told = [_told(one, now) for one in marks[:MOST_TOLD]]
    if len(marks) > MOST_TOLD:
        told.append(f"and {len(marks) - MOST_TOLD:,} more")
    return Flag(left, kinds.pop() if len(kinds) == 1 else "both", len(marks), tuple(told))


def _told(mark: Mark, now: float) -> str:
    lasts = mark.ends and mark.ends != mark.starts
    until = f" until {brief(mark.ends or '', now)}" if lasts else ""
    about = f" ({', '.join(mark.matchers)})" if mark.matchers else ""
    comment = f": {mark.comment}" if mark.comment else ""
    return visible(f"{brief(mark.starts, now)}{until} {mark.what} by {mark.author}{about}{comment}")


def _at(minute: str) -> str:
    found = parsed(minute)
    return minute if found is None else f"{found:%H:%M}"


def _next_minute(us: int) -> int:
    return us // MINUTE * MINUTE + MINUTE
