"""Notifications for tests."""

from typing import Any

from analyzer.notification import Also, Notification

SINCE = "2026-03-01T10:00:00.000Z"
UNTIL = "2026-03-01T10:20:00.000Z"


def told(number: int = 1, **changes: Any) -> Notification:
    """What is said of one alert; a later `number` is said later."""
    fields: dict[str, Any] = {
        "id": f"n-{number:06}", "fingerprint": "alert-1", "status": "firing", "change": "new",
        "expectation": "paid", "type": "order", "severity": "critical",
        "labels": {"team": "payments"}, "about": None, "runbook": "https://wiki.example/paid",
        "text": "3 orders expected payment.authorized within 30s of order.created; none came",
        "reason": None, "since": SINCE, "until": None, "count": 3, "new": 3, "oldest": "ord-1",
        "findings": tuple(
            {"id": f"f-{n}", "flow": f"ord-{n}", "text": "none came", "link": f"http://x/f-{n}"}
            for n in range(1, 4)
        ),
        "also": (Also("alert-2", "shipped", "order", "warning", 3, "http://x/alerts/alert-2"),),
        "link": "http://x/alerts/alert-1", "moment": "2026-03-01T10:00:01.000Z",
    }  # fmt: skip
    return Notification(**{**fields, **changes})


def resolved(number: int = 2, **changes: Any) -> Notification:
    fields: dict[str, Any] = {
        "status": "resolved", "change": "resolved", "until": UNTIL, "reason": "all have come",
    }  # fmt: skip
    return told(number, **{**fields, **changes})
