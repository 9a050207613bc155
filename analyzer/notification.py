"""What a sink is told: one versioned JSON object, the same for every sink."""

from typing import Any
from urllib.parse import quote

import msgspec

from analyzer.finding import Finding
from collector.times import format_time

VERSION = 1


def finding_line(finding: Finding) -> dict[str, Any]:
    """The finding as the contract's line: times as text, positions spelled out."""
    line = msgspec.to_builtins(finding)
    del line["correlation_id"]
    line["at"] = format_time(finding.at)
    line["deadline"] = None if finding.deadline is None else format_time(finding.deadline)
    return line  # type: ignore[no-any-return]  # a struct becomes a dict


def notification(finding: Finding, reason: str | None, link_base: str) -> str:
    """`fingerprint` is the finding's id: equal for everything that is said of one finding."""
    body = {
        "version": VERSION,
        "fingerprint": finding.id,
        "status": "firing" if finding.state == "open" else "resolved",
        "reason": reason,
        "link": f"{link_base}{_page(finding)}",
        "finding": finding_line(finding),
    }
    return msgspec.json.encode(body).decode()


def _page(finding: Finding) -> str:
    """Where people see it: at its flow, or among the findings of its expectation."""
    if finding.flow is None:
        return f"/findings?expectation={quote(finding.expectation, safe='')}"
    return f"/flows/{quote(finding.flow, safe='')}"
