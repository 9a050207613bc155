"""Flows, findings and a status as the store would tell them."""

from typing import Any

from ui.alert_models import AlertTally, FindingTally, SinkTally, Tally
from ui.models import (
    DeniedTopic,
    Dropped,
    EventItem,
    ExpectationItem,
    Finding,
    FlowDetail,
    FlowItem,
    Ghost,
    InstanceItem,
    PartitionStatus,
    Position,
    PublishedAfter,
    SourceStatus,
    Status,
    TimelineEvent,
)

DAY = "2026-03-01"
NASTY = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\n\x00\u202eevil'


def event(
    name: str, clock: str, offset: int, gap_ms: float | None, **changes: Any
) -> TimelineEvent:
    values: dict[str, Any] = {
        "source": "eu-prod",
        "topic": name.partition(".")[0] + "s",
        "partition": 2,
        "offset": offset,
        "time": f"{DAY}T{clock}Z",
        "arrival": f"{DAY}T{clock}Z",
        "gap_ms": gap_ms,
        "name": name,
        "id": f"evt-{offset}",
        "key": "ord-8812",
        "keys": {"order_id": "8812"},
        "headers": [("correlation_id", "ord-8812"), ("type", name)],
        "payload": '{"order_id":"8812","total":129.90,"currency":"EUR","items":[{"sku":"a-1"}]}',
        "encoding": "json",
        "problems": [],
        "correlation_ids": ["ord-8812"],
    }
    return TimelineEvent(**(values | changes))


def position(name: str, clock: str, offset: int) -> Position:
    topic = name.partition(".")[0] + "s"
    return Position(
        source="eu-prod",
        topic=topic,
        partition=2,
        offset=offset,
        time=f"{DAY}T{clock}Z",
        name=name,
    )


def finding(**changes: Any) -> Finding:
    values: dict[str, Any] = {
        "id": "5f0c1b2a",
        "expectation": "payment follows order",
        "type": "order",
        "finding": "missing",
        "state": "open",
        "flow": "ord-8812",
        "at": f"{DAY}T10:02:30Z",
        "deadline": f"{DAY}T10:02:30Z",
        "severity": "critical",
        "labels": {"team": "payments"},
        "rule_version": "9b1d",
        "values": [],
        "activation": position("order.created", "10:02:00.000000", 4711),
        "evidence": [],
        "text": "order.created at 10:02:00 expected payment.authorized or payment.declined "
        "within 30 s; none came",
        "historical": False,
        "found_at": f"{DAY}T10:02:35Z",
        "changed_at": f"{DAY}T10:02:35Z",
        "reason": None,
    }
    return Finding(**(values | changes))


def tally() -> Tally:
    of = {"type": "order", "expectation": "payment follows order", "severity": "critical"}
    return Tally(
        findings=[
            FindingTally(**of, state="open", findings=1),
            FindingTally(**of, state="retracted", findings=1),
        ],
        alerts=[AlertTally(state="firing", severity="critical", alerts=1)],
        sinks=[
            SinkTally(
                sink="pager", waiting=2, oldest=f"{DAY}T10:02:36Z", taken=3, merged=0, refused=1,
                last_taken=None,
            )
        ],
    )  # fmt: skip


def retracted_finding() -> Finding:
    return finding(
        id="77aa",
        flow="ord-8790",
        state="retracted",
        severity="warning",
        labels={},
        reason="payment.authorized arrived 12 s after its deadline had passed",
    )


def dropped() -> Dropped:
    return Dropped(
        source="eu-prod",
        topic="inventory",
        name="stock.reserved",
        producer="inventory/2",
        dropped=12,
        carried=3,
        since=f"{DAY}T10:00:00Z",
        last=f"{DAY}T10:02:00Z",
        example="ord-8812",
    )


def broken_flow(flow: str = "ord-8812", **changes: Any) -> FlowDetail:
    """An order whose payment never came, with a shipment that is still awaited."""
    values: dict[str, Any] = {
        "flow": flow,
        "type": "order",
        "state": "open",
        "began": f"{DAY}T10:02:00Z",
        "last": f"{DAY}T10:02:04.310000Z",
        "events": 3,
        "names": ["order.created", "item.reserved", "notification.sent"],
        "keys": {"order_id": ["8812"], "customer": ["c-204"]},
        "findings": 1,
        "timeline": [
            event("order.created", "10:02:00.000000", 4711, None),
            event("item.reserved", "10:02:00.120000", 1290, 120.0),
            event("notification.sent", "10:02:04.310000", 88, 4190.0, problems=["no event id"]),
            Ghost(
                time=f"{DAY}T10:02:30Z",
                names=["payment.authorized", "payment.declined"],
                state="missing",
                expectation="payment follows order",
                type="order",
                text="expected within 30 s of order.created, none came",
            ),
            Ghost(
                time="2026-03-02T10:02:00Z",
                names=["order.delivered"],
                state="pending",
                expectation="delivered in a day",
                type="order",
                text="expected within 1 d of order.created",
            ),
        ],
        "instances": [
            InstanceItem(
                expectation="payment follows order",
                type="order",
                state="missing",
                finding="missing",
                activation=position("order.created", "10:02:00.000000", 4711),
                deadline=f"{DAY}T10:02:30Z",
                text="after order.created expect payment.authorized or payment.declined "
                "within 30 s",
            ),
            InstanceItem(
                expectation="items are reserved",
                type="order",
                state="met",
                finding=None,
                activation=position("order.created", "10:02:00.000000", 4711),
                deadline=f"{DAY}T10:04:00Z",
                text="after order.created expect item.reserved within 2 min",
            ),
            InstanceItem(
                expectation="delivered in a day",
                type="order",
                state="pending",
                finding=None,
                activation=position("order.created", "10:02:00.000000", 4711),
                deadline="2026-03-02T10:02:00Z",
                text="after order.created expect order.delivered within 1 d",
            ),
        ],
        "found": [finding(flow=flow)],
    }
    return FlowDetail(**(values | changes))


def waiting_flow() -> FlowDetail:
    return broken_flow(
        "shop/ord 8813?#%",
        findings=0,
        found=[],
        instances=[],
        keys={"order_id": ["8813"]},
        timeline=broken_flow().timeline[:2],
    )


def done_flows() -> list[FlowItem]:
    """One flow of every other state."""
    states: list[Any] = ["ended", "failed", "partial", "unbegun", "runaway"]
    return [
        FlowItem(
            flow=f"ord-{8800 - n}",
            type="order" if n % 2 == 0 else None,
            state=state,
            began=f"{DAY}T09:{50 - n}:00Z",
            last=f"{DAY}T09:{55 - n}:12.5Z",
            events=7 + n,
            names=["order.created", "payment.authorized", "item.reserved", "order.shipped"],
            keys={"order_id": [str(8800 - n)]},
            findings=1 if state == "failed" else 0,
        )
        for n, state in enumerate(states)
    ]


def item_of(flow: FlowDetail) -> FlowItem:
    return FlowItem(**flow.model_dump(include=set(FlowItem.model_fields)))


def event_item() -> EventItem:
    return EventItem(**event("order.created", "10:02:00.000000", 4711, None).model_dump(), seq=42)


def partition(number: int, **changes: Any) -> PartitionStatus:
    values: dict[str, Any] = {
        "topic": "orders",
        "partition": number,
        "position": 4712,
        "high_watermark": 4712,
        "complete_to": f"{DAY}T10:04:59Z",
        "gaps": 0,
        "blocked_since": None,
    }
    return PartitionStatus(**(values | changes))


def status(**changes: Any) -> Status:
    values: dict[str, Any] = {
        "version": "0.1.0",
        "running": True,
        "settled_to": f"{DAY}T10:04:54Z",
        "held": 0,
        "store": "nonevent.duckdb",
        "store_bytes": 5_505_024,
        "events": 12_410,
        "untied": 3,
        "unnamed": 0,
        "problems": {"bad time": 2},
        "findings": {"open": 1, "retracted": 1},
        "outbox": 0,
        "expectations": ["payment follows order", "items are reserved"],
        "rule_errors": [],
        "sources": [
            SourceStatus(name="eu-prod", kind="kafka", partitions=[partition(n) for n in range(3)])
        ],
    }
    return Status(**(values | changes))


def blocked_status() -> Status:
    """One partition cannot be read, and holds judgements back."""
    blocked = partition(3, high_watermark=None, blocked_since=f"{DAY}T10:02:00Z")
    return status(
        held=214,
        sources=[
            SourceStatus(name="eu-prod", kind="kafka", partitions=[partition(0), blocked]),
        ],
    )


def troubled_status() -> Status:
    """One bus is away; on another a topic is denied, and a transaction hangs."""
    away = SourceStatus(
        name="us-prod",
        kind="kafka",
        state="connecting",
        since=f"{DAY}T10:01:00Z",
        why="kafka.us:9092: connection refused",
        next_try=f"{DAY}T10:05:10Z",
        partitions=[],
    )
    hidden = partition(1, hidden_from=4700, hidden_since=f"{DAY}T10:03:00Z")
    denied = DeniedTopic(topic="secrets", since=f"{DAY}T09:00:00Z", why="grant <READ>")
    here = SourceStatus(
        name="eu-prod",
        kind="kafka",
        state="reading",
        since=f"{DAY}T09:00:00Z",
        denied=[denied],
        partitions=[partition(0, waiting=True), hidden],
    )
    return status(sources=[here, away])


def published_after(
    topic: str, seconds: float, grace: float | None = None, *expectations: str
) -> PublishedAfter:
    return PublishedAfter(
        topic=topic, seconds=seconds, grace_seconds=grace, not_covered=list(expectations)
    )


def unread_status() -> Status:
    """A daemon that was only just started, with nothing to read and nothing to judge."""
    return status(
        settled_to=None,
        store_bytes=0,
        events=0,
        untied=0,
        problems={},
        findings={},
        expectations=[],
        sources=[],
    )


def expectation(**changes: Any) -> ExpectationItem:
    values: dict[str, Any] = {
        "name": "payment follows order",
        "type": "order",
        "kind": "expect",
        "sentence": "after order.created expect payment.authorized, payment.declined within 30s",
        "about": "Who orders, pays.",
        "severity": "critical",
        "labels": {"team": "payments"},
        "runbook": "https://wiki.example/payments",
        "rule_version": "9b1d",
        "file": "/etc/nonevent/expectations/a-folder-with-a-long-name/and-another-one/order.yaml",
        "findings": {"open": 3, "closed": 1, "retracted": 2},
        "last_finding": f"{DAY}T10:02:30Z",
        "activated_by": ["order.created"],
        "last_seen": f"{DAY}T10:02:00Z",
        "last_day": 1_234,
        "at_most": True,
        "silent": False,
        "unknown": 0,
        "unknown_in": [],
        "failed": 0,
        "last_failed": None,
        "fields_missing": [],
    }
    return ExpectationItem(**(values | changes))


def silent_expectation(**changes: Any) -> ExpectationItem:
    nothing = {"open": 0, "closed": 0, "retracted": 0}
    never: dict[str, Any] = {"last_finding": None, "last_seen": None, "last_day": 0}
    return expectation(name="quiet", findings=nothing, silent=True, **(never | changes))
