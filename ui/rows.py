"""From what is stored and judged to what is shown: struct to model, µs to text."""

from typing import Any

import msgspec

from analyzer.instance import Instance
from analyzer.judge import Judged
from analyzer.tables import FindingRow
from collector.event import Event
from collector.times import format_time
from ui.models import EventItem, Finding, Ghost, InstanceItem, Position, TimelineEvent


def moment(us: int | None) -> str | None:
    return None if us is None else format_time(us)


def position(event: Event) -> Position:
    return Position(
        source=event.source,
        topic=event.topic,
        partition=event.partition,
        offset=event.offset,
        time=format_time(event.time),
        name=event.name,
    )


def _fields(event: Event, before: Event | None) -> dict[str, Any]:
    return {
        "source": event.source,
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
        "time": format_time(event.time),
        "arrival": format_time(event.arrival),
        "gap_ms": None if before is None else (event.time - before.time) / 1000,
        "name": event.name,
        "id": event.id,
        "key": event.key,
        "keys": dict(event.keys),
        "headers": [
            (name, value if isinstance(value, str) else f"hex:{value['hex']}")
            for name, value in msgspec.json.decode(event.headers)
        ],
        "payload": event.payload,
        "encoding": event.encoding,
        "problems": list(event.problems),
        "correlation_ids": list(event.correlation_ids),
    }


def timeline_event(event: Event, before: Event | None) -> TimelineEvent:
    return TimelineEvent(**_fields(event, before))


def event_item(event: Event) -> EventItem:
    return EventItem(**_fields(event, None), seq=event.seq)


def ghost(type: str, instance: Instance) -> Ghost:
    """The event that is not there, for an instance that lacks one."""
    return Ghost(
        time=moment(instance.deadline),
        names=list(instance.lacks),
        state=instance.state,
        expectation=instance.expectation,
        type=type,
        text=instance.text,
    )


def instance_model(judged: Judged, instance: Instance) -> InstanceItem:
    return InstanceItem(
        expectation=instance.expectation,
        type=judged.episode.type,
        state=instance.state,
        finding=instance.finding,
        activation=position(instance.activation) if instance.activation else None,
        deadline=moment(instance.deadline),
        text=instance.text,
    )


def finding_model(row: FindingRow, found_at: int, alert: str | None = None) -> Finding:
    finding = row.to_finding()
    return Finding(
        id=finding.id,
        expectation=finding.expectation,
        type=finding.type,
        finding=finding.finding,
        state=finding.state,
        flow=finding.flow,
        at=format_time(finding.at),
        deadline=moment(finding.deadline),
        severity=finding.severity,
        labels=finding.labels,
        rule_version=finding.rule_version,
        values=list(finding.values),
        activation=_position(finding.activation),
        evidence=[p for p in map(_position, finding.evidence) if p is not None],
        text=finding.text,
        historical=row.historical,
        found_at=format_time(found_at),
        changed_at=format_time(row.moment),
        reason=row.reason,
        alert=alert,
    )


def _position(found: Any) -> Position | None:
    return None if found is None else Position(**msgspec.to_builtins(found))
