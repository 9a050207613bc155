"""What every expectation over windows of time has in common.

A window is judged from the stored events in it, by one pure function, as a flow is from its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from analyzer.instance import Instance, State
from analyzer.rules.rule import Options, Reads
from analyzer.sight import Sight
from analyzer.values import shown
from collector.event import Event
from collector.times import US_PER_S, format_time

SLACK = 60 * US_PER_S
"""No source's clocks are taken to differ by more."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time about which something is expected."""

    start: int
    end: int
    due: int
    """What is absent by now is absent when completeness has passed this and `grace`."""
    reads: tuple[tuple[int, int], ...]
    """The stretches of time, in order, whose events count for the judgement; ends not included."""

    def holds(self, time: int) -> bool:
        return any(start <= time < end for start, end in self.reads)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a judgement rests on besides the events."""

    sight: Sight
    """As asked by the names of the rule file."""
    calls: Callable[[Event], Sequence[str]]
    """What an event is called in the rule file."""
    flows: Callable[[Event], Sequence[str]]

    def named(self, events: Iterable[Event], names: Iterable[str]) -> Iterator[Event]:
        wanted = frozenset(names)
        return (event for event in events if not wanted.isdisjoint(self.calls(event)))


class Fold(ABC):
    """One expectation about windows. `judge` is pure: the same arguments, the same instances."""

    options: Options

    @abstractmethod
    def windows(self, since: int, until: int) -> Iterator[Window]:
        """Those that start from `since` to `until`, in order."""

    @abstractmethod
    def windows_of(self, time: int) -> Sequence[Window]:
        """Those that read an event of this time."""

    @abstractmethod
    def longest(self) -> int:
        """From a window's start to when it is due, at most."""

    @abstractmethod
    def names(self) -> frozenset[str]: ...

    def activating(self) -> frozenset[str]:
        """The names without which it has seen nothing of what it is about."""
        return self.names() - frozenset(self.options.unless)

    @abstractmethod
    def judge(self, window: Window, events: Iterable[Event], seen: Seen) -> list[Instance]:
        """Every instance of this window. `events` are those that it reads, in order, of the names
        that it looks at; no more of them is taken than decides."""

    def reads(self) -> Sequence[Reads]:
        return self.options.reads()

    def most(self) -> int | None:
        """So many events of one value a window may have: one more is an offence at once."""
        return None

    def value(self, event: Event, seen: Seen) -> str | None:
        """For `most`: under which value this event counts; None: under none."""
        return ""

    def sealed(self, instances: Sequence[Instance]) -> bool:
        """Whether no event that comes later can make a finding of a window judged like this."""
        return False

    def due_between(self, after: int, until: int) -> Iterator[Window]:
        """The windows whose moment is after `after` and not after `until`, in order."""
        for window in self.windows(after - self.longest(), until):
            if after < window.due <= until:
                yield window

    def slack(self) -> int:
        """By how much the clocks of producers may differ, at most."""
        return SLACK if self.options.skew is None else self.options.skew

    def skew(self, event: Event, sight: Sight) -> int:
        skew = self.options.skew
        return min(SLACK, sight.skew(event.source, event.source)) if skew is None else skew

    def excuses(self, events: Iterable[Event], seen: Seen, window: Window) -> list[Event]:
        """Every `unless` event from the window's start to before its end, in order."""
        options, distinct = self.options, Distinct(copies=self.options.copies)
        if not options.unless:
            return []
        return [
            event
            for event in seen.named(events, options.unless)
            if window.start <= event.time < window.end
            and distinct.new(event)
            and options.excuses(event, None)
        ]

    def said(
        self,
        window: Window,
        state: State,
        text: str = "",
        *,
        value: str = "",
        finding: str | None = None,
        at: int | None = None,
        due: int | None = None,
        lacks: tuple[str, ...] = (),
        evidence: Sequence[Event] = (),
    ) -> Instance:
        by = f"{format_time(window.start)} {value}".rstrip()
        return Instance(
            self.options.name, state, None, finding, at, window.due, due, lacks, tuple(evidence),
            text, by,
        )  # fmt: skip


def told(value: str) -> str:
    """A value as people read it, from its canonical text."""
    return shown(msgspec.json.decode(value))


class Distinct:
    """Tells copies apart: events with one name and one event id are one occurrence."""

    def __init__(self, *, copies: bool) -> None:
        self._copies = copies
        self._seen: set[int] = set()

    def new(self, event: Event) -> bool:
        occurrence = None if self._copies else event.occurrence()
        if occurrence is None:
            return True
        number = len(self._seen)
        self._seen.add(hash((event.name, occurrence)))
        return len(self._seen) > number
