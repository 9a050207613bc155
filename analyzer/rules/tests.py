"""The `tests:` of a rule file: a few events, how far to look, and what should be found."""

from dataclasses import dataclass
from typing import Any

import msgspec

from analyzer.rules.checker import Checker
from analyzer.rules.located import Place, Value
from collector.event import Event
from collector.times import US_PER_S, parse_time

START = 1_750_032_000 * US_PER_S
"""The moment 0s of a test that names none: a Monday's midnight, 2025-06-16T00:00:00Z."""

EVENT_KEYS = (
    "at", "name", "arrives", "flow", "payload", "headers", "key", "id", "partition", "topic",
)  # fmt: skip
FINDING_KEYS = ("expectation", "finding", "flow", "state", "type")


COMMIT_KEYS = ("at", "group", "offset", "topic", "partition", "end", "state")


@dataclass(frozen=True)
class StatedCommit:
    """That a group has committed this offset, or is in this state; `end`: the partition's then."""

    at: int
    group: str
    topic: str = "test"
    partition: int = 0
    offset: int | None = None
    end: int | None = None
    state: str | None = None
    source: str = "test"


@dataclass(frozen=True)
class RuleTest:
    """One test; `expected` are the fields that a finding must have."""

    name: str
    place: Place
    events: tuple[Event, ...]
    until: int
    expected: tuple[dict[str, str], ...]
    others_allowed: bool
    start: int = START
    """The moment 0s."""
    commits: tuple[StatedCommit, ...] | None = None
    """What groups commit; None: nobody looks at consumers."""


def read_test(value: Value, checker: Checker) -> RuleTest | None:
    """The test, or None after its mistakes were noted."""
    if not isinstance(value.data, dict):
        checker.error(value.place, "a test is a mapping with name, events, until and findings")
        return None
    keys = ("name", "start", "events", "commits", "until", "findings", "no_findings", "others")
    checker.known_keys(value, keys, "in a test")
    data = value.data
    name = checker.text(data["name"]) if "name" in data else None
    if "name" not in data:
        checker.error(value.place, "a test needs a `name`")
    if "until" not in data:
        checker.error(value.place, "a test needs `until`: how far completeness goes")
    until = checker.duration(data["until"]) if "until" in data else None
    if ("findings" in data) == ("no_findings" in data):
        checker.error(value.place, "a test needs either `findings` or `no_findings: true`")
    if "no_findings" in data and checker.boolean(data["no_findings"]) is False:
        checker.error(data["no_findings"].place, "write `no_findings: true`, or `findings`")
    start = _start(data.get("start"), checker)
    events = _events(data.get("events"), start, checker)
    commits = read_commits(data.get("commits"), start, checker)
    expected = _expected(data.get("findings"), checker)
    others = "others" in data and checker.one_of(data["others"], ["allowed"]) == "allowed"
    if name is None or until is None:
        return None
    return RuleTest(name, value.place, events, start + until, expected, others, start, commits)


def _start(value: Value | None, checker: Checker) -> int:
    start = START if value is None else parse_time(value.data)
    if start is None and value is not None:
        what = "is no moment; write e.g. 2025-03-30T00:30:00Z"
        checker.error(value.place, f"`{value.data}` {what}")
    return START if start is None else start


def _events(value: Value | None, start: int, checker: Checker) -> tuple[Event, ...]:
    if value is None:
        return ()
    if not isinstance(value.data, list):
        checker.error(value.place, "`events` is a list")
        return ()
    found = []
    for number, item in enumerate(value.data):
        event = _event(item, number, start, checker)
        if event is not None:
            found.append(event)
    return tuple(found)


def read_commits(
    value: Value | None, start: int, checker: Checker
) -> tuple[StatedCommit, ...] | None:
    if value is None:
        return None
    if not isinstance(value.data, list):
        checker.error(value.place, "`commits` is a list")
        return ()
    found = [_commit(item, start, checker) for item in value.data]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.at))


def _commit(value: Value, start: int, checker: Checker) -> StatedCommit | None:
    if not isinstance(value.data, dict) or not {"at", "group"} <= value.data.keys():
        checker.error(value.place, "a commit is written {at: 5s, group: payment-svc, offset: 1}")
        return None
    checker.known_keys(value, COMMIT_KEYS, "in a test's commit")
    data = value.data
    at, group = checker.duration(data["at"]), checker.text(data["group"])
    numbers = {
        key: checker.number(data[key], 2**62)
        for key in ("partition", "offset", "end")
        if key in data
    }
    if at is None or group is None or None in numbers.values():
        return None
    return StatedCommit(
        start + at, group, _plain_text(data.get("topic"), "test") or "test",
        numbers.get("partition") or 0, numbers.get("offset"), numbers.get("end"),
        _plain_text(data.get("state"), None),
    )  # fmt: skip


def _event(value: Value, number: int, start: int, checker: Checker) -> Event | None:
    if not isinstance(value.data, dict):
        checker.error(value.place, "an event is written {at: 0s, name: order.created}")
        return None
    checker.known_keys(value, EVENT_KEYS, "in a test's event")
    data = value.data
    if "at" not in data or "name" not in data:
        checker.error(value.place, "an event needs `at` and `name`")
        return None
    at, name = checker.duration(data["at"]), checker.text(data["name"])
    arrives = checker.duration(data["arrives"]) if "arrives" in data else at
    if at is None or name is None or arrives is None:
        return None
    payload = data["payload"].plain() if "payload" in data else None
    flow = _plain_text(data.get("flow"), "flow")
    partition = data["partition"].data if "partition" in data else 0
    if not isinstance(partition, int):
        checker.error(data["partition"].place, "a partition is a number")
        partition = 0
    topic = _plain_text(data.get("topic"), "test") or "test"
    return Event(
        "test", topic, topic, partition, number, start + at, start + arrives, name,
        (flow,) if flow else (), _plain_text(data.get("id"), None), (),
        _plain_text(data.get("key"), None), _headers(data.get("headers")),
        None if payload is None else _json(payload), "none" if payload is None else "json",
    )  # fmt: skip


def _expected(value: Value | None, checker: Checker) -> tuple[dict[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value.data, list):
        checker.error(value.place, "`findings` is a list")
        return ()
    found = []
    for item in value.data:
        checker.known_keys(item, FINDING_KEYS, "in an expected finding")
        if isinstance(item.data, dict):
            found.append({key: str(inner.data) for key, inner in item.data.items()})
        else:
            checker.error(item.place, "write {expectation: NAME, finding: missing}")
    return tuple(found)


def _plain_text(value: Value | None, default: str | None) -> str | None:
    return default if value is None or value.data is None else str(value.data)


def _headers(value: Value | None) -> str:
    if value is None or not isinstance(value.data, dict):
        return "[]"
    return _json([[key, str(inner.data)] for key, inner in value.data.items()])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
