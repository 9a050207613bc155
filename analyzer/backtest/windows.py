"""Expectations about windows, over a whole past: every window that it saw, one after the other."""

from collections.abc import Iterator
from itertools import chain

from analyzer.backtest.past import Past
from analyzer.backtest.slots import Slots
from analyzer.consumers.lag import Lag, Lagging
from analyzer.finding import Finding
from analyzer.folds.fold import Window
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


def judged_lags(rules: RuleSet, past: Past) -> Iterator[tuple[RuleFile, JudgedWindow]]:
    """Expectations about lag, over all that was observed."""
    for file, fold in rules.folds.values():
        if isinstance(fold, Lag):
            lagging = Lagging(fold)
            past.observed(fold.group, lagging.see)
            yield file, JudgedWindow(fold, Window(0, 0, 0, ()), lagging.instances())


def found_in_windows(
    rules: RuleSet, slots: Slots, sight: Sight, first: int | None, flows: Flows, past: Past
) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    everything = chain(judged_windows(rules, slots, sight, first, flows), judged_lags(rules, past))
    for file, one in everything:
        found.update(window_findings(file, one.fold, one.instances))
    return found
