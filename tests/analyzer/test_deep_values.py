"""A value that is nested too deep to be compared is one that is not there, for whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.finding import Finding, findings
from analyzer.judge import judge
from analyzer.rules.loader import load
from analyzer.sight import Sight
from collector.batch import PartitionState
from collector.cel_values import DEEPEST, too_deep
from collector.event import Event
from collector.times import US_PER_S

RULES = {
    "same": "after: A, expect: B, within: 30s, same: [event.payload.n]",
    "such_that": "after: A, expect: B, within: 30s, such_that: event.payload.n == cause.payload.n",
    "in": 'after: A, expect: B, within: 30s, such_that: "event.payload.n in [cause.payload.n]"',
    "unlike": "after: A, never: B, such_that: event.payload.n != cause.payload.n",
    "labels": "after: A, expect: C, within: 30s, group_by: {n: event.payload.n}",
    "count": "exactly: {A: 2}, by: event.payload.n, within: 1m",
    "fan-out": "after: A, for_each: event.payload.n, expect: B, by: event.payload.n, within: 30s",
    "agree": "agree: event.payload.n, across: [A, B]",
}
TOLD_FROM_ABSENT = {"same", "such_that", "in", "labels", "count"}
"""Where the value makes a difference: both events carry the same."""


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("levels", [DEEPEST, DEEPEST + 1, 480, 700, 950, 5_000])
def test_too_deep_is_not_there(rule: str, levels: int, tmp_path: Path) -> None:
    deep = f'"n":{"[" * levels}1{"]" * levels}'
    found, absent = (found_in(RULES[rule], payload, tmp_path) for payload in (deep, '"m":1'))
    if levels > DEEPEST or rule not in TOLD_FROM_ABSENT:
        assert found == absent
    else:
        assert found != absent


def test_lists_and_maps_are_levels() -> None:
    value: object = 1
    for level in range(DEEPEST):
        value = [1, value] if level % 2 else {"a": value, "b": 1}
    assert not too_deep(value)
    assert too_deep([value])
    assert too_deep({"a": 1, "b": value})


def found_in(rule: str, fields: str, folder: Path) -> list[tuple[object, ...]]:
    path = folder / "rules.yaml"
    options = f"{{name: r, {rule}}}"
    path.write_text(f"version: 1\nflow: x\nbegins: start\nexpectations: [{options}]\n")
    rules = load([path])
    events = [
        Event(
            "s", "t", "t", 0, n, n * US_PER_S, n * US_PER_S, name, ("x",), f"e{n}",
            payload=f"{{{fields}}}", encoding="json",
        )
        for n, name in enumerate(["start", "A", "B"])
    ]  # fmt: skip
    state = PartitionState("s", "t", "t", 0, 0, 0, complete_to=1_000 * US_PER_S, seen_from=0)
    sight = Sight([state], grace=0, skews={"s": 0})
    return [
        _shown(one)
        for file in rules.files
        for judged in judge("x", events, file, sight)
        for one in findings(judged, rules.by_name)
    ]


def _shown(one: Finding) -> tuple[object, ...]:
    return one.expectation, one.finding, one.text, one.labels
