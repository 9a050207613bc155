"""The words of a notification."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from analyzer.alerts.alert import Alert
from analyzer.alerts.teller import Tell
from analyzer.alerts.telling import RESOLVED
from analyzer.finding import Finding
from analyzer.notification import Also, Notification, finding_line
from collector.times import format_time


def message(
    tell: Tell,
    findings: Sequence[Finding],
    new: int,
    labels: Mapping[str, str],
    id: str,
    link_base: str,
    moment: int,
) -> str:
    """A notification as it lies in the outbox. `labels` are the configuration's."""
    alert, over = tell.bundle.first, tell.change == RESOLVED
    oldest = alert.oldest()
    count = tell.count if over else alert.mature(moment)
    return msgspec.json.encode(
        Notification(
            id=id,
            fingerprint=alert.fingerprint,
            status="resolved" if over else "firing",
            change=tell.change,
            expectation=alert.expectation,
            type=alert.type,
            severity=alert.severity,
            labels=alert.labels,
            about=alert.manner.about,
            runbook=alert.manner.runbook,
            text=_text(alert, count),
            reason=alert.reason if over else None,
            since=format_time(alert.began),
            until=format_time(moment) if over else None,
            count=count,
            new=0 if over else new,
            oldest=oldest.flow if oldest else None,
            findings=tuple(_line(one, labels, link_base) for one in findings),
            also=tuple(_also(one, link_base, moment) for one in tell.bundle.also),
            link=link(alert, link_base),
            moment=format_time(moment),
        )
    ).decode()


def link(alert: Alert, base: str) -> str:
    return f"{base}/alerts/{alert.fingerprint}"


def _text(alert: Alert, count: int) -> str:
    return alert.text if count <= 1 else f"{count} findings; the newest: {alert.text}"


def _also(alert: Alert, link_base: str, moment: int) -> Also:
    return Also(
        alert.fingerprint, alert.expectation, alert.type, alert.severity, alert.mature(moment),
        link(alert, link_base),
    )  # fmt: skip


def _line(finding: Finding, labels: Mapping[str, str], link_base: str) -> dict[str, Any]:
    """A finding as people are sent it: with every label, and where to see it."""
    told = msgspec.structs.replace(finding, labels={**labels, **finding.labels})
    return {**finding_line(told), "link": f"{link_base}{_page(finding)}"}


def _page(finding: Finding) -> str:
    """At its flow, or among the findings of its expectation."""
    if finding.flow is None:
        return f"/findings?expectation={quote(finding.expectation, safe='')}"
    return f"/flows/{quote(finding.flow, safe='')}"
