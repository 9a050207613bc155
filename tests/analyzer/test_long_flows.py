"""A flow of thousands of events is judged in time that grows with them, not with their pairs.

Counted in calls of functions, since machines are shared.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from analyzer.finding import findings
from analyzer.judge import judge
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from analyzer.sight import Sight
from collector.batch import PartitionState
from collector.event import Event
from collector.times import US_PER_S

RULES = {
    "one for all": "after: A, expect: B, within: 30s",
    "each its own": "after: A, expect: B, within: 30s, match: each",
    "excused": "after: A, expect: B, within: 30s, unless: C",
    "free until": "after: A, never: C, until: B",
    "by a value": "after: A, expect: B, within: 2h, same: [event.payload.n]",
    "each by its value": "after: A, expect: B, within: 2h, match: each, "
    "such_that: event.payload.n == cause.payload.n && event.payload.n >= 0",
    "never again": "after: A, never: B",
    "never with its value": "after: A, never: B, same: [event.payload.n]",
    "prepared": "before: A, require: B, within: 30s",
    "prepared by its value": "before: A, require: B, such_that: cause.payload.n == event.payload.n",
    "fan-out": "after: A, for_each: event.payload.n, expect: B, by: event.payload.n, within: 30s",
    "counted": "at_most: {B: 1}, after: A, within: 20s",
}
FLOWS = {
    "in turn": lambda n: "AB" * (n // 2),
    "none comes": lambda n: "A" * n,
    "all came before": lambda n: "B" * (n // 2) + "A" * (n // 2),
    "all come late": lambda n: "A" * (n // 2) + "B" * (n // 2),
}
FEW, MANY = 500, 1_500


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", FLOWS)
def test_three_times_the_events_are_some_three_times_the_work(
    rule: str, shape: str, tmp_path: Path
) -> None:
    path = tmp_path / "rules.yaml"
    options = f"{{name: r, {RULES[rule]}}}"
    path.write_text(f"version: 1\nflow: x\nbegins: start\nexpectations: [{options}]\n")
    rules = load([path])
    few, many = (calls(rules, FLOWS[shape](n)) for n in (FEW, MANY))
    assert many < 3.5 * few, (few, many)


def calls(rules: RuleSet, names: str) -> int:
    """How many it takes to judge a flow of these events, a second apart, when all is over."""
    counts = Counter[str]()
    events = []
    for n, name in enumerate(["start", *names]):
        counts[name] += 1
        events.append(Event(
            "s", "t", "t", 0, n, n * US_PER_S, n * US_PER_S, name, ("x",), f"e{n}",
            payload=f'{{"n":{counts[name]}}}', encoding="json",
        ))  # fmt: skip
    state = PartitionState("s", "t", "t", 0, 0, 0, complete_to=100_000 * US_PER_S, seen_from=0)
    sight = Sight([state], grace=0, skews={"s": 0})
    counted = 0

    def count(frame: object, kind: str, what: object) -> None:
        nonlocal counted
        counted += kind.endswith("call")

    sys.setprofile(count)
    try:
        for file in rules.files:
            for judged in judge("x", events, file, sight):
                findings(judged, rules.by_name)
    finally:
        sys.setprofile(None)
    return counted
