"""`nonevent check` and `nonevent test`: what is said of rule files, and with which exit code."""

from pathlib import Path

import pytest

from tests.nonevent.conftest import Nonevent

HEAD = """version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - {name: payment follows order, after: order.created, expect: order.paid, within: 30s}
"""
PASSING = """tests:
  - name: a payment in time
    events: [{at: 0s, name: order.created}, {at: 29s, name: order.paid}]
    until: 5m
    no_findings: true
"""
FAILING = """  - name: a payment that comes late
    events: [{at: 0s, name: order.created}, {at: 45s, name: order.paid}, {at: 1.5s, name: note}]
    until: 5m
    findings:
      - {expectation: payment follows order, finding: missing}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules" / "order.yaml"
    path.parent.mkdir()
    path.write_text(HEAD + PASSING)
    return path


# check


def test_check_of_good_files_says_how_many_there_are(nonevent: Nonevent, rules: Path) -> None:
    said = nonevent("check", rules.parent)
    assert (said.code, said.err) == (0, "")
    assert said.out == "1 file, 1 expectations: fine\n"


def test_check_tells_every_mistake_on_a_line_of_its_own(nonevent: Nonevent, rules: Path) -> None:
    other = rules.with_name("other.yaml")
    rules.write_text(HEAD + "  - {name: x, after: a, expct: b}\n")
    other.write_text("version: 2\nflow: other\nbegins: a\n")
    said = nonevent("check", rules, other)
    assert said.code == 2
    assert said.err.splitlines() == [
        f"{rules}:7:25: `expct` is not known; did you mean `expect`?",
        f"{other}:1:10: expected `version: 1`",
        "2 mistakes",
    ]


def test_a_warning_is_told_and_is_no_mistake(nonevent: Nonevent, rules: Path) -> None:
    rules.write_text(HEAD + "  - {name: x, after: order.completed, expect: b}\n")
    said = nonevent("check", rules)
    assert said.code == 0
    assert said.out.startswith(f"{rules}:7:5: warning: `order.completed` ends the flow")


def test_check_as_json(nonevent: Nonevent, rules: Path) -> None:
    said = nonevent("check", rules, "--json")
    assert (said.code, said.json) == (
        0, {"files": [str(rules)], "expectations": 1, "problems": []},
    )  # fmt: skip
    rules.write_text(HEAD.replace("30s", "30"))
    said = nonevent("check", rules, "--json")
    assert said.code == 2
    (problem,) = said.json["problems"]
    assert problem.pop("what").startswith("`30` is not a duration")
    assert problem == {"file": str(rules), "line": 6, "column": 85, "severity": "error"}


@pytest.mark.parametrize("json", [[], ["--json"]])
def test_a_folder_without_rule_files_is_a_mistake(
    nonevent: Nonevent, tmp_path: Path, json: list[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert nonevent("check", tmp_path / "empty", *json).code == 2


def test_a_path_that_is_not_there_is_named(nonevent: Nonevent, tmp_path: Path) -> None:
    for command in ("check", "test"):
        said = nonevent(command, tmp_path / "gone.yaml")
        assert said.code == 2
        assert said.err == f"no rule file or folder at {tmp_path / 'gone.yaml'}\n"


def test_without_a_path_it_is_a_mistake_of_use(nonevent: Nonevent) -> None:
    assert nonevent("check").code == 2
    assert nonevent("test").code == 2


# test


def test_tests_that_pass(nonevent: Nonevent, rules: Path) -> None:
    said = nonevent("test", rules)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"  ok  {rules}:8  a payment in time\n1 passed, 0 failed\n"


def test_a_test_that_fails_shows_the_difference_and_the_timeline(
    nonevent: Nonevent, rules: Path
) -> None:
    rules.write_text(HEAD + PASSING + FAILING)
    said = nonevent("test", rules)
    assert said.code == 1
    lines = [line.strip() for line in said.out.splitlines()]
    assert lines == [
        f"ok  {rules}:8  a payment in time",
        f"FAIL  {rules}:12  a payment that comes late",
        "- expected, not found: expectation: payment follows order, finding: missing",
        lines[3],
        "0ms  order.created",
        "1.5s  note",
        "45s  order.paid",
        "5m  (until)",
        "1 passed, 1 failed",
    ]
    assert lines[3].startswith("+ found, not expected: payment follows order: late in flow: ")


def test_tests_as_json(nonevent: Nonevent, rules: Path) -> None:
    rules.write_text(HEAD + PASSING + FAILING)
    said = nonevent("test", rules, "--json")
    assert said.code == 1
    passed, failed = said.json
    assert passed == {
        "file": str(rules), "line": 8, "test": "a payment in time", "passed": True,
        "not_found": [], "not_expected": [],
    }  # fmt: skip
    assert failed["not_found"] == [{"expectation": "payment follows order", "finding": "missing"}]
    assert [f["finding"] for f in failed["not_expected"]] == ["late"]


def test_a_wrong_file_is_told_before_any_test_runs(nonevent: Nonevent, rules: Path) -> None:
    rules.write_text(HEAD.replace("30s", "30") + PASSING + FAILING)
    said = nonevent("test", rules)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"{rules}:6:85: `30` is not a duration")


def test_a_file_without_tests_says_so(nonevent: Nonevent, rules: Path) -> None:
    rules.write_text(HEAD)
    said = nonevent("test", rules)
    assert said.code == 0
    assert said.out == f"no tests in {rules}: add a `tests:` block\n"
