"""Judges a whole past, one flow after the other, by the function that judges the present."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from analyzer.backtest.difference import Difference
from analyzer.backtest.past import Past, Span
from analyzer.backtest.shelves import SHELVES, Shelves
from analyzer.backtest.slots import Slots
from analyzer.backtest.tally import WENT_WRONG, Tally, tallies
from analyzer.backtest.windows import (
    found_in_windows,
    judged_lags,
    judged_windows,
    looked_at,
)
from analyzer.finding import Finding, finding_of, findings
from analyzer.folds.judging import window_findings
from analyzer.judge import Judged, judge
from analyzer.rules.ruleset import RuleSet
from analyzer.sight import Sight
from collector.event import Event
from collector.progress import Report, unwatched

Found = Callable[[Finding], None]


@dataclass(frozen=True)
class Outcome:
    """What was judged, and what came of it."""

    events: int
    flows: int
    runaway: int
    """Flows of too many events, which are not judged."""
    first: int | None
    """The first event (µs); None where there is none."""
    complete_to: int
    tallies: Sequence[Tally]
    difference: Difference | None

    @property
    def findings(self) -> int:
        return sum(tally.findings for tally in self.tallies)


def backtest(
    past: Past,
    rules: RuleSet,
    against: RuleSet | None = None,
    found: Found = lambda finding: None,
    reading: Report = unwatched,
    judging: Report = unwatched,
) -> Outcome:
    """Every finding is `found` once; `against` other rules it is said what would be different."""
    read = _both(rules.read(), frozenset() if against is None else against.read())
    span = Span()
    named = _both(looked_at(rules), looked_at(against))
    with Shelves(past.ties, read) as shelves, Slots(named) as slots:
        # Before the shelves let go of payloads.
        everyone = (span.add, slots.put, shelves.put)
        for events in past.batches(read, reading):
            for take in everyone:
                take(events)
        groups = rules.groups() | (frozenset() if against is None else against.groups())
        sight = past.sight(span, groups)
        return _judged(shelves, slots, sight, span, past, rules, against, found, judging)


def _both(ours: frozenset[str] | None, theirs: frozenset[str] | None) -> frozenset[str] | None:
    """The names in either; None: any."""
    return None if ours is None or theirs is None else ours | theirs


def _judged(
    shelves: Shelves,
    slots: Slots,
    sight: Sight,
    span: Span,
    past: Past,
    rules: RuleSet,
    against: RuleSet | None,
    found: Found,
    judging: Report,
) -> Outcome:
    by_rule = tallies(rules)
    difference = None if against is None else Difference()
    events = flows = runaway = 0
    for number, shelf in enumerate(shelves.flows(), 1):
        events += shelf.events
        flows += len(shelf.flows)
        for flow, members in shelf.flows:
            now: dict[str, Finding] = {}
            ran_away = False
            for judged in _views(flow, members, rules, sight):
                ran_away = ran_away or judged.state == "runaway"
                for finding in _counted(judged, rules, by_rule):
                    now[finding.id] = finding
                    found(finding)
            runaway += ran_away
            if difference is not None and against is not None:
                before = [
                    finding
                    for judged in _views(flow, members, against, sight)
                    for finding in findings(judged, against.by_name)
                ]
                difference.add(now, {finding.id: finding for finding in before})
        judging(number, SHELVES)
    first = span.first if events else None
    in_windows: dict[str, Finding] = {}
    in_time = judged_windows(rules, slots, sight, first, shelves.flows_of)
    for file, one in chain(in_time, judged_lags(rules, past)):
        by_rule[file.flow, one.fold.options.name].add_window(one)
        in_windows.update(window_findings(file, one.fold, one.instances))
    for finding in in_windows.values():
        by_rule[finding.type, finding.expectation].found_in_window(finding)
        found(finding)
    if difference is not None and against is not None:
        others = found_in_windows(against, slots, sight, first, shelves.flows_of, past)
        difference.add(in_windows, others)
    complete_to = sight.settled_to()
    return Outcome(events, flows, runaway, first, complete_to, list(by_rule.values()), difference)


def _views(flow: str, events: Sequence[Event], rules: RuleSet, sight: Sight) -> Iterator[Judged]:
    """Every rule file's view of the flow; files none of whose names occur have none."""
    names = {event.name for event in events}
    for file in rules.files:
        if file.concerned(names):
            yield from judge(flow, events, file, sight)


def _counted(
    judged: Judged, rules: RuleSet, by_rule: dict[tuple[str, str], Tally]
) -> Iterator[Finding]:
    for instance in judged.instances:
        tally = by_rule[judged.episode.type, instance.expectation]
        tally.add(judged, instance)
        if instance.state in WENT_WRONG:
            finding = finding_of(judged, instance, rules.by_name)
            tally.found(instance.state, finding)
            yield finding
