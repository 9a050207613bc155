"""Of every kind a table of cases: both edges of its deadline, ties, repeats, what arrives late or
in any order, gaps, partial flows, the flow's end, and `unless` at its edges.

A table is `tables/KIND.yaml`: the kind's plain `rule`, and under each aspect its cases in the form
of `cases.yaml`; `and` adds to the rule (null takes away), `gaps` and `sight` (the tap's first)
bound what was seen, `retracted` is what was found before `until` and taken back. An aspect that a
kind does not know has the reason instead. `events.yaml` is of what a name means, `agree_alone.yaml`
of `agree` without names.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from analyzer.consumers.stated import Stated
from analyzer.finding import findings
from analyzer.folds.judging import JudgedWindow, judge_windows, window_findings
from analyzer.folds.table import FOLDS
from analyzer.judge import Judged, judge
from analyzer.kinds.table import KINDS
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.sight import Sight
from collector.batch import Gap, PartitionState
from collector.event import Event
from collector.times import NEVER
from tests.analyzer.cases import BASE, commits, events, microseconds, rule_file, run

FOLDER = Path(__file__).with_name("tables")
ASPECTS = (
    "deadline", "ties", "repeated", "late", "retracted", "arrival", "gaps", "partial", "end",
    "unless",
)  # fmt: skip
Case = dict[str, Any]
TABLES: dict[str, Case] = {
    path.stem: YAML(typ="safe").load(path) for path in sorted(FOLDER.glob("*.yaml"))
}


def cases() -> list[Case]:
    """Every case with its whole rule, called by kind, aspect and name."""
    found = []
    for kind, table in TABLES.items():
        for aspect, listed in table.items():
            for case in listed if isinstance(listed, list) else ():
                rule = table["rule"] | case.get("and", {})
                rule = {key: value for key, value in rule.items() if value is not None}
                called = f"{kind}, {aspect}: {case['name']}"
                found.append({"until": "60s"} | case | {"rule": rule, "called": called})
    return found


CASES = cases()


@pytest.mark.parametrize("kind", [kind.name for kind in (*KINDS, *FOLDS)] + ["agree_alone"])
def test_every_kind_has_a_table_with_every_aspect(kind: str) -> None:
    table = TABLES[kind]
    assert set(table) == {"rule", *ASPECTS}
    assert all(table[aspect] for aspect in ASPECTS)


@pytest.mark.parametrize("case", CASES, ids=[case["called"] for case in CASES])
def test_a_case_of_a_kind(case: Case, tmp_path: Path) -> None:
    if "gaps" in case or "sight" in case:
        file = rule_file(case, tmp_path)
        sight, until = bounded_sight(case), BASE + microseconds(case["until"])
        judged = judge("x", events(case), file, sight)
        windows = list(judge_windows(file, events(case), sight, BASE, until))
        retracted: list[str] = []
    else:
        result = run(case, tmp_path)
        file, judged = rule_file(case, tmp_path), list(result.judged)
        windows = list(result.windows)
        retracted = [finding.finding for finding in result.retracted]
    instances = [i for one in (*judged, *windows) for i in one.instances]
    counts = Counter(i.state for i in instances if i.expectation == "r")
    assert dict(counts) == case["expect"]
    assert Counter(found(judged, windows, file)) == Counter(case.get("findings", []))
    assert Counter(retracted) == Counter(case.get("retracted", []))


def found(judged: list[Judged], windows: list[JudgedWindow], file: RuleFile) -> list[str]:
    rules = RuleSet.of([file]).by_name
    of_flows = [finding for one in judged for finding in findings(one, rules)]
    of_windows = [
        finding
        for one in windows
        for finding in window_findings(file, one.fold, one.instances).values()
    ]
    return [finding.finding for finding in (*of_flows, *of_windows)]


def bounded_sight(case: Case) -> Sight:
    """One partition, read from `sight` on (without: from its beginning), with these gaps."""
    seen = BASE + microseconds(case["sight"]) if "sight" in case else NEVER
    first = 5 if "sight" in case else 0
    until = BASE + microseconds(case["until"])
    partition = PartitionState(
        "case", "case", "case", 0, 100, first, complete_to=until, seen_from=seen
    )
    sight = Sight([partition], [gap(text) for text in case.get("gaps", [])], grace=0)
    if (stated := commits(case)) is not None:
        sight.consumed = Stated(stated, events(case), BASE).consumed(until)
    return sight


def gap(text: str) -> Gap:
    """`FROM-TO` or `FROM-TO NAME`: only that name may be in it."""
    times, _, name = text.partition(" ")
    start, end = (BASE + microseconds(time) for time in times.split("-"))
    carries = (name,) if name else None
    return Gap("case", "case", "case", 0, 0, 1, "lost", start, end, carries)


def test_the_cases_hold_events_that_are_judged() -> None:
    """A table whose events no rule saw would agree with anything."""
    judged = [case for case in CASES if case["expect"]]
    assert len(judged) > 0.9 * len(CASES)
    assert all(isinstance(event, Event) for case in CASES for event in events(case))
