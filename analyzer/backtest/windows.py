"""Expectations about windows, over a whole past: every window that it saw, one after the other."""

from collections.abc import Iterator
from itertools import chain

from analyzer.backtest.slots import Slots
from analyzer.finding import Finding
from analyzer.folds.judging import Flows, JudgedWindow, judge_window, window_findings
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.sight import Sight


def looked_at(rules: RuleSet | None) -> frozenset[str] | None:
    """What the events may be called that expectations about windows look at; None: anything."""
    found: set[str] = set()
    for file, fold in () if rules is None else rules.folds.values():
        stored = file.stored_names(fold.names())
        if stored is None:
            return None
        found |= stored
    return frozenset(found)


def judged_windows(
    rules: RuleSet, slots: Slots, sight: Sight, first: int | None, flows: Flows
) -> Iterator[tuple[RuleFile, JudgedWindow]]:
    """What was due before the first event is nobody's business, as in the daemon."""
    if first is None:
        return
    for file, fold in rules.folds.values():
        until = sight.under(file.naming).complete_to(fold.names())
        for window in fold.windows(first - fold.longest(), until):
            if window.due > first:
                read = chain.from_iterable(slots.between(*stretch) for stretch in window.reads)
                instances = judge_window(file, fold, window, read, sight, flows)
                yield file, JudgedWindow(fold, window, instances)


def found_in_windows(
    rules: RuleSet, slots: Slots, sight: Sight, first: int | None, flows: Flows
) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for file, one in judged_windows(rules, slots, sight, first, flows):
        found.update(window_findings(file, one.fold, one.instances))
    return found
