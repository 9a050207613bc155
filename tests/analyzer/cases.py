"""Reads the worked cases: a rule, a few events in shorthand, and what must come out."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML

from analyzer.instance import STATES
from analyzer.rules.loader import check
from analyzer.rules.ruleset import RuleFile
from analyzer.rules.tests import StatedCommit
from analyzer.trial import Trial, trial
from collector.event import Event
from collector.times import parse_duration

BASE = 1_750_000_000_000_000
EVENT = re.compile(r"(\S+) ([^\s@/]+)(?:@([^\s/]+))?(?:/(\d+))?(?: ~(\S+))?(?: (\{.*\}))?")
"""AT NAME[@FLOW][/PARTITION] [~ARRIVES] [{payload}]"""


def load_cases() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("cases.yaml"))
    return cases


def rule_file(case: dict[str, Any], folder: Path) -> RuleFile:
    """The case's rules written to a file and read back by the loader, as a user's would be."""
    head = {
        "version": 1,
        "flow": "case",
        "begins": "start",
        "ends": ["end"],
        **case.get("flow", {}),
    }
    rules = case.get("rules") or [{"name": "r", **case["rule"]}]
    for rule in rules:
        if rule.get("grace") == "default":
            del rule["grace"]
    path = folder / "case.yaml"
    path.write_bytes(msgspec.json.encode({**head, "expectations": rules}))
    files, problems = check([path])
    assert not [p for p in problems if not p.warning], problems
    return files[0]


def events(case: dict[str, Any]) -> list[Event]:
    return [_event(text, number) for number, text in enumerate(case["events"])]


def _event(text: str, number: int) -> Event:
    match = EVENT.fullmatch(text)
    assert match, text
    at, name, flow, partition, arrives, payload = match.groups()
    body = YAML(typ="safe").load(payload) if payload else {}
    event_id, topic = body.pop("_id", f"id-{number}"), body.pop("_topic", "case")
    time, arrival = BASE + microseconds(at), BASE + microseconds(arrives or at)
    return Event(
        "case", topic, topic, int(partition or 0), number, time, arrival, name,
        () if flow == "-" else (flow or "x",), event_id, (), None, "[]",
        msgspec.json.encode(body).decode(), "json",
    )  # fmt: skip


COMMIT = re.compile(r"(\S+) ([^\s@/]+)(?:@([^\s/]+))?(?:/(\d+))? (\d+|[A-Z]\w+)(?: of (\d+))?")
"""AT GROUP[@TOPIC][/PARTITION] OFFSET-or-STATE [of END]"""


def commits(case: dict[str, Any]) -> list[StatedCommit] | None:
    return [_commit(text) for text in case["commits"]] if "commits" in case else None


def _commit(text: str) -> StatedCommit:
    match = COMMIT.fullmatch(text)
    assert match, text
    at, group, topic, partition, what, end = match.groups()
    return StatedCommit(
        BASE + microseconds(at), group, topic or "case", int(partition or 0),
        int(what) if what.isdecimal() else None, None if end is None else int(end),
        None if what.isdecimal() else what, "case",
    )  # fmt: skip


def microseconds(text: str) -> int:
    us = parse_duration(text)
    assert us is not None, text
    return us


def run(case: dict[str, Any], folder: Path) -> Trial:
    until = BASE + microseconds(case["until"])
    return trial(rule_file(case, folder), events(case), until, commits=commits(case))


def states(result: Trial) -> dict[str, dict[str, int]]:
    """Instances by expectation and state."""
    found: dict[str, Counter[str]] = {}
    for judged in result.judged:
        for instance in judged.instances:
            found.setdefault(instance.expectation, Counter())[instance.state] += 1
    return {
        name: {s: n for s, n in counts.items() if s in STATES} for name, counts in found.items()
    }
