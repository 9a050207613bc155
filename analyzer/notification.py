"""What a sink is told: one versioned JSON object, the same for every sink."""

from typing import Any

import msgspec

from analyzer.finding import Finding
from analyzer.why.summary import Reasons
from collector.times import format_time

VERSION = 1
FINDINGS = 20
"""So many are spelled out at most; `count` says how many there are."""


class Also(msgspec.Struct, frozen=True):
    """Another alert that is told in the same breath: it is about the same flows."""

    fingerprint: str
    expectation: str
    type: str
    severity: str
    count: int
    link: str


class Notification(msgspec.Struct, frozen=True):
    """One alert at one moment, for people. Its text can be made from it alone."""

    id: str
    """Its own: equal when it is sent twice, and grows with what is said of one alert."""
    fingerprint: str
    """The alert's: equal for everything that is said of it, on every machine."""
    status: str
    """firing, resolved"""
    change: str
    """Why it is told: `new`, `more` (further findings), `again` (still firing), `resolved`."""
    expectation: str
    type: str
    """The type of its flows; `nonevent` where it watches itself."""
    severity: str
    labels: dict[str, str]
    about: str | None
    runbook: str | None
    text: str
    """What is wrong, in a sentence."""
    reason: str | None
    """Of what is resolved: why."""
    since: str
    until: str | None
    count: int
    """How many findings are open; of what is resolved, how many were when it was last told."""
    new: int
    """How many of them were not in the message before this one."""
    oldest: str | None
    """The flow that has been waiting longest."""
    findings: tuple[dict[str, Any], ...]
    """Lines of those that nobody was told of before, or if all are known, of all: the oldest first,
    each with the `link` to its page."""
    also: tuple[Also, ...]
    link: str
    """Where people see the alert."""
    moment: str
    """When it was told."""
    merged: int = 0
    """How many older ones about the same alert it stands for, which the sink never got."""
    why: Reasons | None = None
    """Of what fires, why it is missing: asked when it is told, of what is known then."""
    version: int = VERSION


notification_of = msgspec.json.Decoder(Notification).decode


def finding_line(finding: Finding) -> dict[str, Any]:
    """The finding as the contract's line: times as text, positions spelled out."""
    line = msgspec.to_builtins(finding)
    del line["correlation_id"]
    line["at"] = format_time(finding.at)
    line["deadline"] = None if finding.deadline is None else format_time(finding.deadline)
    return line  # type: ignore[no-any-return]  # a struct becomes a dict
