"""`rate: A` `at_least`/`at_most: n` `per: 5m`, and `retries: A` `at_most: n` `per: 10m`: how many
events in every window; with `by: path` of each value, with `compared_to: 7d` against then."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyzer.folds.fold import Distinct, Fold, Seen, Window, told
from analyzer.folds.tumbling import Tumbling
from analyzer.guards import MISSING, Guard
from analyzer.instance import Instance
from analyzer.rules.rule import Names, Options, Reads
from analyzer.values import canonical
from collector.event import Event
from collector.times import format_duration, format_time


@dataclass(frozen=True, slots=True)
class Comparison:
    """Against the window so long before, no less than this share may be missing."""

    before: int
    drop: float


@dataclass(frozen=True, slots=True)
class Rate(Fold):
    options: Options
    counted: Names
    per: Tumbling
    least: int | None = None
    at_most: int | None = None
    by: Guard | None = None
    compared: Comparison | None = None

    def names(self) -> frozenset[str]:
        return frozenset((*self.counted, *self.options.unless))

    def reads(self) -> Sequence[Reads]:
        found = super(Rate, self).reads()
        return found if self.by is None else [*found, self.by]

    def most(self) -> int | None:
        return self.at_most

    def longest(self) -> int:
        return 2 * self.per.per  # where clocks are set back a window is longer than it says

    def windows(self, since: int, until: int) -> Iterator[Window]:
        return (self._window(start, end) for start, end in self.per.between(since, until))

    def windows_of(self, time: int) -> Sequence[Window]:
        start, end = self.per.containing(time)
        found = [self._window(start, end)] if self.per.counts(start, end) else []
        if self.compared is not None:
            before = self.compared.before
            later = self.per.between(start + before, end + before - 1)
            found += [self._window(*one) for one in later]
        return found

    def _window(self, start: int, end: int) -> Window:
        if self.compared is None:
            return Window(start, end, end, ((start, end),))
        before = self.per.containing(start - self.compared.before)
        return Window(start, end, end, (before, (start, end)))

    def value(self, event: Event, seen: Seen) -> str | None:
        where = self.options.where
        if set(self.counted).isdisjoint(seen.calls(event)):
            return None
        if where is not None and not where(event, None):
            return None
        if self.by is None:
            return ""
        value = self.by.value(event)
        return None if value is MISSING else canonical(value)

    def judge(self, window: Window, events: Iterable[Event], seen: Seen) -> list[Instance]:
        enough = None
        if self.compared is None and self.by is None and not self.options.unless:
            # What comes after so many changes nothing any more.
            enough = self.least if self.at_most is None else self.at_most + 1
        before, distinct = (Distinct(copies=self.options.copies) for _ in range(2))
        then: dict[str, int] = {}
        groups: dict[str, list[Event]] = {} if self.by else {"": []}
        excuses = []
        for event in events:
            value = self.value(event, seen)
            if event.time < window.start:
                if value is not None and before.new(event):
                    then[value] = then.get(value, 0) + 1
                    groups.setdefault(value, [])
                continue
            if self.options.unless:
                excuses.append(event)
            if value is None or not distinct.new(event):
                continue
            group = groups.setdefault(value, [])
            group.append(event)
            if enough is not None and len(group) >= enough:
                break
        excuse = self.excuse(excuses, seen, window.start, window.end)
        return [
            self._instance(window, value, group, then.get(value, 0), excuse, seen)
            for value, group in groups.items()
        ]

    def _instance(
        self,
        window: Window,
        value: str,
        events: Sequence[Event],
        then: int,
        excuse: Event | None,
        seen: Seen,
    ) -> Instance:
        values = (told(value),) if value else ()
        what = " with ".join((" or ".join(self.counted), *values))
        stretch = f"from {format_time(window.start)} for {format_duration(self.per.per)}"
        most, grace = self.at_most, self.options.grace_under(seen.sight)
        extra = events[most] if most is not None and len(events) > most else None
        if excuse is not None and (extra is None or excuse.time <= extra.time):
            text = f"excused by {excuse.name}"
            return self.said(window, "void", text, value=value, evidence=(excuse,))
        complete = seen.sight.complete_to(self.names())
        if extra is not None:
            text = f"more than {most} {what} {stretch}"
            due = extra.time + grace
            if self.options.unless and complete <= due:
                return self.said(window, "pending", text, value=value, due=due)
            return self.said(
                window, "violated", text, value=value, finding="too_many", at=extra.time,
                lacks=values, evidence=events,
            )  # fmt: skip
        if complete <= window.due + grace:
            return self.said(window, "pending", value=value, due=window.due + grace)
        needed, why = self._needed(then)
        text = f"{len(events)} {what} {stretch}; expected {why}"
        if len(events) < needed:
            unseen = self._unseen(window, needed > (self.least or 0), seen)
            if unseen is not None:
                return self.said(window, "unknown", f"{text}: unobserved, {unseen}", value=value)
            return self.said(
                window, "missing", text, value=value, finding="too_few", at=window.end,
                lacks=values, evidence=events,
            )  # fmt: skip
        unseen = None if self.compared is None else self._unseen(window, True, seen)
        if unseen is not None:
            return self.said(window, "unknown", f"nothing to compare with: {unseen}", value=value)
        return self.said(window, "met", value=value, evidence=events[:1])

    def _unseen(self, window: Window, compared: bool, seen: Seen) -> str | None:
        """Why there may have been more than were seen, now or in what it is compared with."""
        stretches = window.reads if compared else window.reads[-1:]
        whys = (seen.sight.unseen_between(self.names(), *stretch) for stretch in stretches)
        return next((why for why in whys if why is not None), None)

    def _needed(self, then: int) -> tuple[float, str]:
        """How many there must be, and why."""
        least = self.least or 0
        share = 0.0 if self.compared is None else then * (1 - self.compared.drop)
        if self.compared is None or share <= least:
            return least, f"at least {least}"
        passed = format_duration(self.compared.before)
        return share, f"{share:g} or more, since there were {then} {passed} before"
