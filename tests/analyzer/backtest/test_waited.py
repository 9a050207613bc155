"""Which kinds say how long they waited, and from when to when."""

from pathlib import Path
from typing import Any

import pytest

from tests.analyzer.cases import rule_file, run

FAN_OUT = "1s A {items: [{k: a}, {k: b}]}"
WAITED: list[tuple[dict[str, Any], list[str], list[float | None]]] = [
    ({"after": "A", "expect": "B", "within": "10s"}, ["0s start", "1s A", "4s B"], [3]),
    ({"after": "A", "expect": "B", "within": "10s"}, ["0s start", "1s A", "21s B"], [20]),
    ({"after": "A", "expect": "B", "within": "10s"}, ["0s start", "1s A"], [None]),
    ({"after": "A", "expect": {"all": ["B", "C"]}, "within": "10s"},
     ["0s start", "1s A", "9s B", "3s C"], [8]),
    ({"after": "A", "next": ["B"], "within": "10s"}, ["0s start", "1s A", "4s B"], [3]),
    ({"together": ["A", "B"], "within": "10s"}, ["0s start", "5s B", "7s A"], [2]),
    ({"either": ["A", "B"]}, ["0s start", "5s B", "6s B", "9s end"], [5]),
    ({"once": "A"}, ["0s start", "5s A", "9s end"], [5]),
    ({"at_least": {"A": 2}}, ["0s start", "5s A", "6s A", "7s A", "9s end"], [6]),
    ({"after": "B", "at_least": {"A": 2}, "within": "10s"},
     ["0s start", "1s B", "2s A", "4s A"], [3]),
    ({"at_most": {"A": 2}}, ["0s start", "5s A", "9s end"], [None]),
    ({"for_each": "event.payload.items[*].k", "after": "A", "expect": "B",
      "by": "event.payload.k", "within": "10s"},
     ["0s start", FAN_OUT, "2s B {k: b}", "9s B {k: a}"], [8]),
    ({"after": "A", "undo": {"X": "UX"}, "within": "10s"},
     ["0s start", "1s X", "3s A", "4s UX"], [1]),
    ({"after": "A", "undo": {"X": "UX"}, "within": "10s"},
     ["0s start", "1s X", "2s UX", "3s A"], [0]),
    ({"after": "A", "never": "B"}, ["0s start", "1s A", "9s end"], [None]),
    ({"before": "B", "require": "A"}, ["0s start", "1s A", "4s B"], [None]),
    ({"order": ["A", "B"]}, ["0s start", "1s A", "4s B", "9s end"], [None]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "events", "expected"), WAITED, ids=lambda one: str(one)[:40])
def test_how_long_it_took(
    rule: dict[str, Any], events: list[str], expected: list[float | None], tmp_path: Path
) -> None:
    case = {"rule": dict(rule), "events": events, "until": "60s"}
    (made,) = rule_file(case, tmp_path).rules
    result = run({**case, "rule": dict(rule)}, tmp_path)
    (judged,) = result.judged
    took = [
        made.waited(judged.episode, one) if one.state in ("met", "late") else None
        for one in judged.instances
    ]
    assert [None if us is None else us / 1e6 for us in took] == expected
