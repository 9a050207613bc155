"""`latency: {from: A, to: B}` `p99: 2s` `per: 10m`: a quantile of how long a step takes.

A window's steps are those that began in it, each A with the first B after it in its flow. One that
still waits counts with its age when the last of them has had the limit's time: so it is decided how
many took longer than that, and with it the quantile, which is an element (nearest rank).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from analyzer.episode import follows
from analyzer.folds.fold import Distinct, Fold, Seen, Window
from analyzer.folds.tumbling import Tumbling
from analyzer.instance import Instance
from analyzer.rules.rule import Names, Options
from collector.event import Event
from collector.times import format_duration, format_time


@dataclass(frozen=True, slots=True)
class Latency(Fold):
    options: Options
    start: Names
    end: Names
    quantile: float
    told: str
    """As it is written: p99."""
    limit: int
    per: Tumbling

    def names(self) -> frozenset[str]:
        return frozenset((*self.start, *self.end, *self.options.unless))

    def activating(self) -> frozenset[str]:
        """No step, no quantile."""
        return frozenset(self.start)

    def longest(self) -> int:
        return self.per.longest() + self.limit

    def windows(self, since: int, until: int) -> Iterator[Window]:
        return (self._window(start, end) for start, end in self.per.between(since, until))

    def windows_of(self, time: int) -> Sequence[Window]:
        first, _ = self.per.containing(time - self.limit)
        return [w for w in self.windows(first, time + self.slack()) if w.holds(time)]

    def _window(self, start: int, end: int) -> Window:
        due = end + self.limit
        return Window(start, end, due, ((start - self.slack(), due + 1),))

    def judge(self, window: Window, events: Iterable[Event], seen: Seen) -> list[Instance]:
        events = list(events)
        times = self._steps(window, events, seen)
        if not times:
            # No step, no quantile: nothing was expected of this window.
            return []
        for excuse in self.excuses(events, seen, window):
            text = f"excused by {excuse.name}"
            return [self.said(window, "void", text, evidence=(excuse,))]
        due = window.due + self.options.grace_under(seen.sight)
        if seen.sight.complete_to(self.names()) <= due:
            return [self.said(window, "pending", due=due)]
        times.sort(key=_took)
        rank = ceil(self.quantile * len(times))
        text = self._text(window, times, rank)
        # More steps than were seen may be slower, or quicker.
        unseen = seen.sight.unseen_between(self.names(), window.start, window.due)
        if unseen is not None:
            return [self.said(window, "unknown", f"{text}: unobserved, {unseen}")]
        if times[rank - 1][0] <= self.limit:
            return [self.said(window, "met")]
        slow = [cause for took, cause in times if took > self.limit]
        return [
            self.said(window, "violated", text, finding="too_slow", at=window.end, evidence=slow)
        ]

    def _text(self, window: Window, times: Sequence[tuple[int, Event]], rank: int) -> str:
        slow = sum(took > self.limit for took, _ in times)
        return (
            f"{' or '.join(self.start)} to {' or '.join(self.end)}: {self.told} of {len(times)} "
            f"steps is {format_duration(times[rank - 1][0])} or more, from "
            f"{format_time(window.start)} for {format_duration(self.per.per)}; {slow} took "
            f"longer than {format_duration(self.limit)}"
        )

    def _steps(
        self, window: Window, events: Sequence[Event], seen: Seen
    ) -> list[tuple[int, Event]]:
        """How long each took, or has waited so far, with its first event."""
        ends: dict[str, list[Event]] = {}
        where, copies = self.options.where, self.options.copies
        distinct, answers = Distinct(copies=copies), Distinct(copies=copies)
        for event in seen.named(events, self.end):
            if event.time < window.start - self.skew(event, seen.sight) or not answers.new(event):
                continue
            for flow in seen.flows(event):
                ends.setdefault(flow, []).append(event)
        times = []
        for cause in seen.named(events, self.start):
            if not window.start <= cause.time < window.end:
                continue
            if not distinct.new(cause) or (where is not None and not where(cause, None)):
                continue
            for flow in seen.flows(cause):
                last = next((e for e in ends.get(flow, ()) if self._ends(e, cause, seen)), None)
                over = window.due + 1 if last is None else max(last.time, cause.time)
                times.append((over - cause.time, cause))
        return times

    def _ends(self, event: Event, cause: Event, seen: Seen) -> bool:
        skew = self.skew(event, seen.sight)
        return follows(event, cause, skew) and self.options.fits(event, cause)


def _took(step: tuple[int, Event]) -> int:
    return step[0]
