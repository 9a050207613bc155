"""Judging windows: the one way for the daemon, tests of rule files and backtests."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import duckdb

from analyzer.failure import failed
from analyzer.finding import EVIDENCE, Finding, Position
from analyzer.folds.fold import Fold, Seen, Window
from analyzer.instance import Instance, window_finding_id
from analyzer.rules.ruleset import RuleFile
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.times import format_time

Flows = Callable[[Event], Sequence[str]]


def own_flows(event: Event) -> Sequence[str]:
    """Where no keys tie."""
    return event.correlation_ids


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """One window, as one expectation judges it."""

    fold: Fold
    window: Window
    instances: Sequence[Instance]


def judge_window(
    file: RuleFile, fold: Fold, window: Window, events: Iterable[Event], sight: Sight, flows: Flows
) -> list[Instance]:
    """`events` are those that the window reads, in order; of other names there may be some."""
    try:
        return fold.judge(window, events, Seen(sight.under(file.naming), file.calls, flows))
    except duckdb.Error:
        raise  # of the store from which they are read
    except Exception as error:  # noqa: BLE001  # a mistake of ours is told, and others go on
        return [failed(fold.options.name, error, by=format_time(window.start))]


def judge_windows(
    file: RuleFile,
    events: Iterable[Event],
    sight: Sight,
    since: int,
    until: int,
    flows: Flows = own_flows,
) -> Iterator[JudgedWindow]:
    """Every window of this file that starts from `since` to `until`, over a whole history."""
    if not file.folds:
        return
    history = sorted(events, key=ORDER)
    times = [event.time for event in history]
    for fold in file.folds:
        for window in fold.windows(since, until):
            read = chain.from_iterable(
                history[bisect_left(times, start) : bisect_left(times, end)]
                for start, end in window.reads
            )
            yield JudgedWindow(fold, window, judge_window(file, fold, window, read, sight, flows))


def window_findings(
    file: RuleFile, fold: Fold, instances: Iterable[Instance]
) -> dict[str, Finding]:
    """What went wrong in a window, by its id."""
    found = (_finding(file, fold, one) for one in instances if one.finding is not None)
    return {finding.id: finding for finding in found}


def _finding(file: RuleFile, fold: Fold, instance: Instance) -> Finding:
    options = fold.options
    assert instance.finding is not None
    assert instance.at is not None
    return Finding(
        window_finding_id(file.flow, instance), instance.expectation, file.flow, instance.finding,
        "closed" if instance.state == "late" else "open", None, None, instance.at,
        instance.deadline, options.severity, dict(options.labels), options.version, instance.lacks,
        None, tuple(Position.of(event) for event in instance.evidence[:EVIDENCE]), instance.text,
    )  # fmt: skip
