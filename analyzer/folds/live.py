"""The live cache of expectations about windows: when each is to be judged, and what was found.

As with flows it decides only *when*. A window is judged when completeness has passed its moment,
at once where there is one event too many, and again when an event of it arrives later.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import merge
from itertools import chain
from typing import Protocol

from analyzer.consumers.lag import Lag
from analyzer.finding import Finding
from analyzer.folds.fold import Fold, Seen, Window
from analyzer.folds.judging import Flows, judge_window, own_flows, window_findings
from analyzer.instance import Instance, window_finding_id
from analyzer.naming import ANY_NAME
from analyzer.plan import reading
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.sight import Sight
from analyzer.transition import Transition, arrived, changes, retracted
from analyzer.undecided import Undecided
from collector.event import ORDER, Event
from collector.glimpse import Glimpses
from collector.interest import Interest, Part
from collector.times import FOREVER, NEVER

Use = Callable[[Sequence[Iterable[Event]]], None]

SEALED = 1_000


class History(Protocol):
    """The stored events, everything that was submitted for storing included."""

    def __call__(
        self,
        names: Sequence[str] | None,
        stretches: Sequence[tuple[int, int]],
        use: Use,
        *,
        whole: bool,
    ) -> None:
        """Calls `use` with the events with these names (None: all): for each stretch of time those
        from its start to before its end, in order; with payloads and headers where `whole`."""


def nothing(
    names: Sequence[str] | None,
    stretches: Sequence[tuple[int, int]],
    use: Use,
    *,
    whole: bool,
) -> None:
    """A history in which nothing happened."""
    use([() for _ in stretches])


class LiveFolds:
    """Every expectation about windows. Give it events, then sight; take transitions."""

    def __init__(
        self,
        rules: RuleSet,
        history: History,
        default_grace: int,
        flows: Flows = own_flows,
        undecided: Undecided | None = None,
    ) -> None:
        """`undecided`: who counts where judging failed."""
        undecided = Undecided() if undecided is None else undecided
        self._lines = [
            _Line(file, fold, history, default_grace, flows, undecided)
            for file in rules.files
            for fold in file.folds
            if not isinstance(fold, Lag)
        ]
        self._known = {(line.file.flow, line.fold.options.name): line for line in self._lines}
        self._by_name: dict[str, list[_Line]] = {}
        for line in self._lines:
            for name in line.names or (ANY_NAME,):
                self._by_name.setdefault(name, []).append(line)
        self._of_any = self._by_name.pop(ANY_NAME, [])
        self._adrift: list[Finding] = []
        """Findings of expectations that are no more, or are others now."""

    def __bool__(self) -> bool:
        return bool(self._lines)

    def widened(self, interest: Interest) -> Interest:
        """With what is read for these expectations, too."""
        names, others = dict(interest.names), interest.others
        for line in self._lines:
            if line.names is None:
                names = {name: _with(part, line) for name, part in names.items()}
                others = _with(others, line)
            for name in line.names or ():
                names[name] = _with(names.get(name, interest.others), line)
        return Interest(names, interest.keys, others)

    def remember(self, findings: Iterable[Finding]) -> None:
        """What had been announced before a restart."""
        for finding in findings:
            line = self._known.get((finding.type, finding.expectation))
            if line is None or line.fold.options.version != finding.rule_version:
                self._adrift.append(finding)
            else:
                line.found.setdefault(finding.deadline or finding.at, {})[finding.id] = finding

    def resume(self, sight: Sight) -> None:
        """After a restart: what was due by now was judged then."""
        for line in self._lines:
            line.resume(sight)

    def take(self, events: Sequence[Event] | Glimpses) -> None:
        """Events that are not stored yet."""
        if not self._lines:
            return
        if isinstance(events, Glimpses):
            lines = [self._of(origin.name) for origin in events.origins]
            for row, number in enumerate(events.numbers):
                if lines[number]:
                    event = events.at(row).event()
                    for line in lines[number]:
                        line.take(event)
            return
        for event in events:
            for line in self._of(event.name):
                line.take(event)

    def _of(self, name: str) -> list["_Line"]:
        return [*self._by_name.get(name, ()), *self._of_any]

    def release(self, to_time: int) -> set[str]:
        """Forgets what was found in windows that had begun by then, for events of theirs are
        deleted; the ids of that. Nothing is said of them any more: they are not seen whole."""
        return {id for line in self._lines for id in line.release(to_time)}

    def advance(self, sight: Sight) -> list[Transition]:
        found: list[Transition] = []
        for finding in self._adrift:
            found.append(retracted(finding, "rule changed"))
        self._adrift = []
        for line in self._lines:
            found.extend(line.advance(sight))
        return found


def _with(part: Part, line: "_Line") -> Part:
    for guard in line.guards:
        part = reading(part, guard)
    return part


class _Line:
    """One expectation, and how far it was judged."""

    def __init__(
        self, file: RuleFile, fold: Fold, history: History, default_grace: int, flows: Flows,
        undecided: Undecided,
    ) -> None:  # fmt: skip
        self.file, self.fold, self._undecided = file, fold, undecided
        self._history, self._flows = history, flows
        grace = fold.options.grace
        self._grace = default_grace if grace is None else grace
        stored = file.stored_names(fold.names())
        self.names = None if stored is None else sorted(stored)
        self.guards = file.asked_by(fold)
        self._unseen = Seen(Sight(()), file.calls, flows)
        """What tells of an event by itself, whatever was seen of others."""
        self.found: dict[int, dict[str, Finding]] = {}
        """By when the window is due: its findings as they were announced."""
        self._judged_to: int | None = None
        """Every window that is due by then was judged."""
        self._fresh: list[Event] = []
        self._touched: dict[Window, Event] = {}
        """Windows to judge although they are not due, each with the event that came last."""
        self._again: set[Window] = set()
        """Windows whose moment was judged and that wait again: sight went back."""
        self._sealed: dict[Window, None] = {}
        """Judged, and no later event makes a finding of them: the newest few."""
        self._tallies: dict[Window, dict[str, set[int]]] = {}
        """Where there may be too many: how many different ones there are of each value."""

    def resume(self, sight: Sight) -> None:
        complete = sight.under(self.file.naming).complete_to(self.fold.names())
        if complete == NEVER:
            return
        self._judged_to = complete - self._grace - 1
        if self.fold.most() is not None:
            start = self._judged_to - self.fold.longest()
            self._history(self.names, [(start, FOREVER)], self._count, whole=bool(self.guards))

    def release(self, to_time: int) -> list[str]:
        gone = [due for due in self.found if due - self.fold.longest() <= to_time]
        return [id for due in gone for id in self.found.pop(due)]

    def _count(self, stretches: Sequence[Iterable[Event]]) -> None:
        for event in chain.from_iterable(stretches):
            for window in self.fold.windows_of(event.time):
                self._tally(window, event)

    def take(self, event: Event) -> None:
        self._fresh.append(event)
        for window in self.fold.windows_of(event.time):
            judged = self._judged_to is not None and window.due <= self._judged_to
            if window not in self._sealed and (judged or self._tally(window, event)):
                self._touch(window, event)

    def _touch(self, window: Window, event: Event) -> None:
        before = self._touched.get(window)
        if before is None or before.arrival <= event.arrival:
            self._touched[window] = event

    def _tally(self, window: Window, event: Event) -> bool:
        """Whether with this event there is one too many; of more than that nothing is said."""
        most = self.fold.most()
        if most is None or not window.start <= event.time < window.end:
            return False
        value = self.fold.value(event, self._unseen)
        if value is None:
            return False
        counted = self._tallies.setdefault(window, {}).setdefault(value, set())
        if len(counted) > most:
            return False
        occurrence = None if self.fold.options.copies else event.occurrence()
        apart = event.position() if occurrence is None else (event.name, occurrence)
        counted.add(hash(apart))
        return len(counted) > most

    def advance(self, sight: Sight) -> Iterable[Transition]:
        asked = sight.under(self.file.naming)
        complete, first = (ask(self.fold.names()) for ask in (asked.complete_to, asked.first_seen))
        # What was due before the first look is nobody's business.
        known = [one for one in self._touched if one.due > first or one.due in self.found]
        windows = dict.fromkeys([*self._again, *known])
        until = complete - self._grace - 1
        if complete > NEVER:
            if self._judged_to is None:
                self._judged_to = until if first == FOREVER else first
            since = self._judged_to if first == FOREVER else max(self._judged_to, first)
            if until > since:
                windows.update(dict.fromkeys(self.fold.due_between(since, until)))
                self._judged_to = until
        found: list[Transition] = []
        for window in windows:
            found.extend(self._judge(window, sight))
        self._fresh.clear()
        self._touched.clear()
        return found

    def _judge(self, window: Window, sight: Sight) -> Iterable[Transition]:
        fold, file = self.fold, self.file
        instances: list[Instance] = []

        def use(stored: Sequence[Iterable[Event]]) -> None:
            events = chain.from_iterable(
                merge(some, self._fresh_in(start, end), key=ORDER)
                for some, (start, end) in zip(stored, window.reads, strict=True)
            )
            instances.extend(judge_window(file, fold, window, events, sight, self._flows))

        self._history(self.names, window.reads, use, whole=bool(self.guards))
        over = self._judged_to is not None and window.due <= self._judged_to
        self._again.discard(window)
        due = window.due + fold.options.grace_under(sight)
        if over:
            self._tallies.pop(window, None)
            self._seal(window, instances)
        if any(one.state == "pending" and (over or one.due != due) for one in instances):
            # Sight went back, or an offence waits for what may excuse it.
            self._again.add(window)
        now, before = window_findings(file, fold, instances), self.found.pop(window.due, {})
        for one in instances:
            if one.failed:
                now.update(before)  # nothing says otherwise
                self._undecided.failed((file.flow, fold.options.name), one.by, one.text)
            id = window_finding_id(file.flow, one)
            if over and one.state == "pending" and id in before:
                # Sight went back: what was seen to be missing is so still.
                now[id] = before[id]
        if now:
            self.found[window.due] = now
        newest = self._touched.get(window)

        def take_back(old: Finding) -> Transition:
            why = "less is seen than was" if newest is None else arrived(newest, old)
            return retracted(old, why)

        return changes(before, now, take_back, over=False)

    def _seal(self, window: Window, instances: Sequence[Instance]) -> None:
        if self.fold.sealed(instances):
            self._sealed[window] = None
            if len(self._sealed) > SEALED:
                del self._sealed[next(iter(self._sealed))]

    def _fresh_in(self, start: int, end: int) -> list[Event]:
        return sorted((e for e in self._fresh if start <= e.time < end), key=ORDER)
