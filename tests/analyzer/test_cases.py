"""The worked cases of the rule language, each judged as `nonevent test` judges."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.analyzer.cases import load_cases, run, states

CASES = load_cases()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_worked_case(case: dict[str, Any], tmp_path: Path) -> None:
    result = run(case, tmp_path)
    by_rule = states(result)
    expected = case["expect"]
    if "rule" in case:
        expected = {"r": expected}
    for name, counts in expected.items():
        assert by_rule.get(name, {}) == counts
    kinds = Counter(
        wanted if isinstance(wanted, str) else wanted[1] for wanted in case.get("findings", [])
    )
    found = [f for f in result.findings if "rules" in case or f.expectation == "r"]
    assert Counter(finding.finding for finding in found) == kinds
