"""`nonevent check` and `nonevent test`: what is said of rule files, and with which exit code."""

import re
from pathlib import Path
from xml.etree import ElementTree

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
    assert untimed(said.out) == f"  ok  {rules}:8  a payment in time\n1 passed, 0 failed\n"


def test_a_test_that_fails_shows_the_difference_and_the_timeline(
    nonevent: Nonevent, rules: Path
) -> None:
    rules.write_text(HEAD + PASSING + FAILING)
    said = nonevent("test", rules)
    assert said.code == 1
    lines = [line.strip() for line in untimed(said.out).splitlines()]
    assert lines == [
        f"ok  {rules}:8  a payment in time",
        f"FAIL  {rules}:12  a payment that comes late",
        "- expected, not found: expectation: payment follows order, finding: missing",
        lines[3],
        "0ms  ● order.created",
        "1.5s  ● note",
        "30s  ◐ order.paid  late: payment follows order",
        "45s  ● order.paid",
        "5m  (until)",
        "1 passed, 1 failed",
    ]
    assert lines[3].startswith("+ found, not expected: payment follows order: late in flow: ")


def untimed(out: str) -> str:
    """Without what the clock said, which must be there."""
    took = r"[0-9.]+(?:ms|s)"
    text, tests = re.subn(rf"  \({took}\)$", "", out, flags=re.M)
    text, whole = re.subn(rf" in {took}$", "", text, flags=re.M)
    assert (tests, whole) == (len(re.findall(r"^(?:  ok|FAIL)", out, re.M)), 1)
    return text


def test_what_was_found_as_expected_and_several_flows_are_told_apart(
    nonevent: Nonevent, rules: Path
) -> None:
    test = """tests:
  - name: two flows
    events:
      - {at: 0s, name: order.created, flow: one}
      - {at: 1s, name: order.created, flow: two, arrives: 3s}
      - {at: 2s, name: order.paid, flow: two, arrives: 2m}
    until: 1m
    findings: [{expectation: payment follows order, flow: one}]
"""
    rules.write_text(HEAD + test)
    lines = [line.strip() for line in untimed(nonevent("test", rules).out).splitlines()]
    assert lines == [
        f"FAIL  {rules}:8  two flows",
        "payment follows order: missing in one",
        lines[2],
        "0ms  ● order.created in one",
        "1s  ● order.created in two  arrives at 3s",
        "2s  ● order.paid in two  not seen: arrives at 2m",
        "30s  ✗ order.paid in one  missing: payment follows order",
        "31s  ✗ order.paid in two  missing: payment follows order",
        "1m  (until)",
        "0 passed, 1 failed",
    ]
    assert lines[2].startswith("+ found, not expected: payment follows order: missing in two: ")


def test_only_the_tests_that_are_named(nonevent: Nonevent, rules: Path) -> None:
    rules.write_text(HEAD + PASSING + FAILING)
    assert nonevent("test", rules, "-k", "In Time").code == 0
    assert nonevent("test", rules, "-k", "that comes late").code == 1
    assert len(nonevent("test", rules, "-k", "order.yaml", "--json").json) == 2
    said = nonevent("test", rules, "-k", "nothing")
    assert (said.code, said.out) == (2, "")
    assert said.err == "-k: none of 2 tests has `nothing` in its name or file\n"


def test_a_junit_report(nonevent: Nonevent, rules: Path, tmp_path: Path) -> None:
    odd = PASSING.replace("a payment in time", r'"a payment <in> \x01 time"')
    rules.write_text(HEAD + odd + FAILING)
    other = rules.with_name("other.yaml")
    other.write_text((HEAD + PASSING).replace("flow: order", "flow: other"))
    report = tmp_path / "report.xml"
    assert nonevent("test", rules.parent, "--junit", report).code == 1
    suites = ElementTree.parse(report).getroot()
    assert (suites.get("tests"), suites.get("failures")) == ("3", "1")
    assert [suite.get("name") for suite in suites] == [str(rules), str(other)]
    first, second = suites[0]
    assert (first.get("name"), first.get("line")) == ("a payment <in> \ufffd time", "8")
    assert len(first) == 0
    (failure,) = second
    assert failure.get("message", "").startswith("- expected, not found: expectation: payment")
    assert "30s  ◐ order.paid  late: payment follows order" in (failure.text or "")
    times = [float(case.get("time", "")) for case in suites.iter("testcase")]
    assert abs(float(suites.get("time", "")) - sum(times)) < 1e-5
    assert nonevent("test", rules, "--junit", tmp_path / "no" / "report.xml").code == 2


def test_tests_as_json(nonevent: Nonevent, rules: Path) -> None:
    rules.write_text(HEAD + PASSING + FAILING)
    said = nonevent("test", rules, "--json")
    assert said.code == 1
    passed, failed = said.json
    assert passed.pop("seconds") > 0
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
