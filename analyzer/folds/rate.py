"""`rate: A` `at_least`/`at_most: n` `per: 5m`, and `retries: A` `at_most: n` `per: 10m`: how many
events in every window; with `by: path` of each value, with `compared_to: 7d` against then."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from analyzer.episode import skew_between, surely_follows
from analyzer.folds.fold import Distinct, Fold, Seen, Window, told
from analyzer.folds.tumbling import Tumbling
from analyzer.guards import MISSING, Guard
from analyzer.instance import Instance
from analyzer.rules.rule import Names, Options, Reads
from analyzer.values import canonical
from collector.event import ORDER, Event
from collector.times import format_duration, format_time


@dataclass(frozen=True, slots=True)
class Comparison:
    """Against the window so long before, no more than this share may be missing."""

    before: int
    drop: Fraction


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

    def sealed(self, instances: Sequence[Instance]) -> bool:
        open_ended = self.at_most is None and self.compared is None and self.by is None
        return open_ended and all(one.state in ("met", "void") for one in instances)

    def longest(self) -> int:
        return self.per.longest()

    def windows(self, since: int, until: int) -> Iterator[Window]:
        return (self._window(start, end) for start, end in self.per.between(since, until))

    def windows_of(self, time: int) -> Sequence[Window]:
        start, end = self.per.containing(time)
        found = [self._window(start, end)] if self.per.counts(start, end) else []
        if self.compared is not None:
            later = self.per.compared_with(start, end, self.compared.before)
            found += [self._window(*one) for one in later]
        return found

    def _window(self, start: int, end: int) -> Window:
        if self.compared is None:
            return Window(start, end, end, ((start, end),))
        before = self.per.before(start, self.compared.before)
        return Window(start, end, end, (before, (start, end)))

    def value(self, event: Event, seen: Seen) -> str | None:
        named = not set(self.counted).isdisjoint(seen.calls(event))
        return self._value(event) if named else None

    def _value(self, event: Event) -> str | None:
        """Of one that is called so."""
        where = self.options.where
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
        read, counted = [], frozenset(self.counted)
        for event in events:
            now = event.time >= window.start
            if now and self.options.unless:
                read.append(event)
            # A copy is none, whatever the first was worth.
            if counted.isdisjoint(seen.calls(event)) or not (distinct if now else before).new(
                event
            ):
                continue
            value = self._value(event)
            if value is None:
                continue
            if not now:
                then[value] = then.get(value, 0) + 1
                groups.setdefault(value, [])
                continue
            group = groups.setdefault(value, [])
            group.append(event)
            if enough is not None and len(group) >= enough:
                break
        excuses = self.excuses(read, seen, window)
        return [
            self._instance(window, value, group, then.get(value, 0), excuses, seen)
            for value, group in groups.items()
        ]

    def _instance(
        self,
        window: Window,
        value: str,
        events: Sequence[Event],
        then: int,
        excuses: Sequence[Event],
        seen: Seen,
    ) -> Instance:
        values = (told(value),) if value else ()
        what = " with ".join((" or ".join(self.counted), *values))
        stretch = f"from {format_time(window.start)} for {format_duration(self.per.per)}"
        most, due = self.at_most, window.due + self.options.grace_under(seen.sight)
        if most is not None and len(events) > most:
            text = f"more than {most} {what} {stretch}"
            return self._too_many(window, value, events, excuses, text, seen)
        enough = most is None and self.compared is None and len(events) >= (self.least or 0)
        decisive = events[self.least - 1] if enough and self.least else None
        for excuse in excuses:
            if not enough or (decisive is not None and ORDER(excuse) < ORDER(decisive)):
                text = f"excused by {excuse.name}"
                return self.said(window, "void", text, value=value, evidence=(excuse,))
        if enough:
            return self.said(window, "met", value=value, evidence=events[:1])
        if seen.sight.complete_to(self.names()) <= due:
            return self.said(window, "pending", value=value, due=due)
        unseen = seen.sight.unseen_between(self.names(), window.start, window.end - 1)
        if unseen is None and len(events) >= (self.least or 0):
            unseen = self._incomparable(window, seen)
        needed, why = self._needed(len(events), then)
        text = f"{len(events)} {what} {stretch}; expected {why}"
        if unseen is not None:
            return self.said(window, "unknown", f"{text}: unobserved, {unseen}", value=value)
        if len(events) < needed:
            return self.said(
                window, "missing", text, value=value, finding="too_few", at=window.end,
                lacks=values, evidence=events,
            )  # fmt: skip
        return self.said(window, "met", value=value, evidence=events[:1])

    def _too_many(
        self,
        window: Window,
        value: str,
        events: Sequence[Event],
        excuses: Sequence[Event],
        text: str,
        seen: Seen,
    ) -> Instance:
        options, sight = self.options, seen.sight
        extra = events[self.at_most or 0]
        for excuse in excuses:
            # What is tied with it excuses it.
            skew = skew_between(options.skew, sight, excuse, extra)
            if excuse is extra or not surely_follows(excuse, extra, skew):
                why = f"excused by {excuse.name}"
                return self.said(window, "void", why, value=value, evidence=(excuse,))
        if options.unless:
            due, names = extra.time + options.patience_under(sight), frozenset(options.unless)
            if sight.complete_to(names) <= due:
                return self.said(window, "pending", text, value=value, due=due)
            unseen = sight.unseen_between(names, window.start, extra.time)
            if unseen is not None:
                return self.said(window, "unknown", f"{text}: unobserved, {unseen}", value=value)
        return self.said(
            window, "violated", text, value=value, finding="too_many", at=extra.time,
            lacks=(told(value),) if value else (), evidence=events,
        )  # fmt: skip

    def _incomparable(self, window: Window, seen: Seen) -> str | None:
        """Why there may have been more to compare with than were seen."""
        if self.compared is None:
            return None
        start, end = window.reads[0]
        return seen.sight.unseen_between(frozenset(self.counted), start, end - 1)

    def _needed(self, now: int, then: int) -> tuple[Fraction | int, str]:
        """How many there must be, and why."""
        least = self.least or 0
        if self.compared is None or now < least:
            return least, f"at least {least}"
        share, passed = then * (1 - self.compared.drop), format_duration(self.compared.before)
        why = f"{float(share):g} or more, since there were {then} {passed} before"
        return share, why
