"""`every: "0 2 * * *"` `expect: A` `within`: after each tick of a clock an A; with `each_of` and
`by`, one for each value."""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from analyzer.folds.fold import Distinct, Fold, Seen, Window, told
from analyzer.folds.wall import DAY, first_showing, offset, shown
from analyzer.guards import MISSING, Guard
from analyzer.instance import Instance
from analyzer.rules.rule import Names, Options, Reads
from analyzer.values import canonical
from collector.event import ORDER, Event
from collector.times import FOREVER, US_PER_S, format_duration, format_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
WORDS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clock:
    """The ticks of a cron line. One that does not exist comes at the next instant, one that
    exists twice comes once."""

    cron: str
    tz: ZoneInfo | None = None

    def after(self, time: int) -> Iterator[int]:
        """The ticks after this moment, for ever."""
        last = time
        for wall in self._shown(self._wall(time), reverse=False):
            at = self._at(wall)
            if at > last:
                # Those that do not exist may come together.
                last = at
                yield at

    def last(self, time: int) -> int | None:
        """The last tick at or before this moment."""
        # A clock that was set back has shown more before.
        most = self._wall(time)
        if self.tz is not None:
            most = max(most, time + offset(time - DAY, self.tz))
        ticks = (self._at(wall) for wall in self._shown(most + US_PER_S, reverse=True))
        return next((at for at in ticks if at <= time), None)

    def _wall(self, time: int) -> int:
        return time if self.tz is None else shown(time, self.tz)

    def _at(self, wall: int) -> int:
        return wall if self.tz is None else first_showing(wall, self.tz)

    def _shown(self, wall: int, *, reverse: bool) -> Iterator[int]:
        """What the clock shows at the ticks from about here on, as if it were never set."""
        # Whole seconds: a tick within the second of the moment itself is asked for again.
        moment = _EPOCH + wall // US_PER_S * US_PER_S * _US
        return ((tick - _EPOCH) // _US for tick in CronSim(self.cron, moment, reverse=reverse))


@functools.lru_cache(maxsize=10_000)
def _ticks_around(clock: Clock, second: int, within: int, slack: int) -> Sequence[int]:
    """Those that an event of this second may belong to."""
    start = second * US_PER_S
    # Too late for the tick before these, as long as no other has come.
    last = clock.last(start - within - 1)
    found = itertools.takewhile(
        lambda tick: tick <= start + US_PER_S + slack, clock.after(start - within - 1)
    )
    return [*([] if last is None else [last]), *found]


@functools.lru_cache(maxsize=10_000)
def _window(clock: Clock, tick: int, within: int, slack: int) -> Window:
    deadline = tick + within
    # What comes from the next tick on, past the deadline, belongs to another one.
    late = max(deadline + 1, next(clock.after(tick), FOREVER))
    return Window(tick, deadline, deadline, ((tick - slack, late),))


@dataclass(frozen=True, slots=True)
class Schedule(Fold):
    options: Options
    clock: Clock
    expected: Names
    within: int
    each_of: tuple[object, ...] = ()
    by: Guard | None = None

    def names(self) -> frozenset[str]:
        return frozenset((*self.expected, *self.options.unless))

    def reads(self) -> Sequence[Reads]:
        found = super(Schedule, self).reads()
        return found if self.by is None else [*found, self.by]

    def longest(self) -> int:
        return self.within

    def windows(self, since: int, until: int) -> Iterator[Window]:
        for tick in self.clock.after(since - 1):
            if tick > until:
                return
            yield self._window(tick)

    def windows_of(self, time: int) -> Sequence[Window]:
        # The same for all events of a second, of which there may be thousands.
        around = _ticks_around(self.clock, time // US_PER_S, self.within, self.slack())
        found = (self._window(tick) for tick in around)
        return [window for window in found if window.holds(time)]

    def _window(self, tick: int) -> Window:
        return _window(self.clock, tick, self.within, self.slack())

    def sealed(self, instances: Sequence[Instance]) -> bool:
        return all(one.state in ("met", "void") for one in instances)

    def judge(self, window: Window, events: Iterable[Event], seen: Seen) -> list[Instance]:
        events = list(events)
        where, distinct = self.options.where, Distinct(copies=self.options.copies)
        came = [
            event
            for event in seen.named(events, self.expected)
            if self._may(event, window, seen)
            and distinct.new(event)
            and (where is None or where(event, None))
        ]
        excuse = next(iter(self._excuses(window, events, seen)), None)
        if not self.each_of or self.by is None:
            return [self._instance(window, None, came, excuse, seen)]
        groups: dict[str, list[Event]] = {canonical(value): [] for value in self.each_of}
        for event in came:
            value = self.by.value(event)
            if value is not MISSING and (group := groups.get(canonical(value))) is not None:
                group.append(event)
        return [
            self._instance(window, value, group, excuse, seen) for value, group in groups.items()
        ]

    def _excuses(self, window: Window, events: Sequence[Event], seen: Seen) -> Sequence[Event]:
        """As what is awaited they may come by the clocks' skew before the tick; and at D."""
        distinct, options = Distinct(copies=self.options.copies), self.options
        return [
            event
            for event in seen.named(events, options.unless)
            if window.start - self.skew(event, seen.sight) <= event.time <= window.end
            and distinct.new(event)
            and options.excuses(event, None)
        ]

    def _may(self, event: Event, window: Window, seen: Seen) -> bool:
        """Whether it came after the tick, and before the next one where it is late."""
        skew = self.skew(event, seen.sight)
        late = max(window.end + 1, window.reads[0][1] - skew)
        return window.start - skew <= event.time < late

    def _instance(
        self,
        window: Window,
        value: str | None,
        came: Sequence[Event],
        excuse: Event | None,
        seen: Seen,
    ) -> Instance:
        by = value or ""
        first = next(iter(came), None)
        answer = first if first is not None and first.time <= window.end else None
        if excuse is not None and (answer is None or ORDER(excuse) < ORDER(answer)):
            text = f"excused by {excuse.name}"
            return self.said(window, "void", text, value=by, evidence=(excuse,))
        if answer is not None:
            return self.said(window, "met", value=by, evidence=(answer,))
        values = (told(value),) if value else ()
        what = " with ".join((" or ".join(self.expected), *values))
        text = (
            f"expected {what} within {format_duration(self.within)} of {format_time(window.start)}"
        )
        due = window.due + self.options.grace_under(seen.sight)
        if seen.sight.complete_to(self.names()) <= due:
            return self.said(window, "pending", text, value=by, due=due)
        lacks = values or (" or ".join(self.expected),)
        if first is not None:
            passed = format_duration(first.time - window.end)
            return self.said(
                window, "late", f"{text}; it came {passed} too late", value=by, finding="late",
                at=window.end, lacks=lacks, evidence=(first,),
            )  # fmt: skip
        unseen = seen.sight.unseen_between(self.names(), window.start, window.end)
        if unseen is not None:
            return self.said(window, "unknown", f"{text}: unobserved, {unseen}", value=by)
        return self.said(
            window, "missing", f"{text}; none came", value=by, finding="missing", at=window.end,
            lacks=lacks,
        )  # fmt: skip
