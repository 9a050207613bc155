"""What nonevent has to say of itself: it is told like what it finds in flows."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

from analyzer.finding import Finding


@dataclass(frozen=True)
class Condition:
    """Something that is wrong with nonevent, or that keeps it from seeing, for as long as it is."""

    TYPE: ClassVar = "nonevent"

    name: str
    """Its kind, which is its alert's expectation: `tap blind`."""
    what: str
    """Tells it from others of its kind: a partition, a sink."""
    text: str
    since: int
    severity: str = "critical"
    labels: tuple[tuple[str, str], ...] = ()
    wait: int = 0
    """So long it must have held before anybody is told."""

    @property
    def id(self) -> str:
        told = f"{self.TYPE}\0{self.name}\0{self.what}"
        return hashlib.sha256(told.encode()).hexdigest()[:24]


def finding_of(condition: Condition) -> Finding:
    return Finding(
        id=condition.id,
        expectation=condition.name,
        type=condition.TYPE,
        finding=condition.name.replace(" ", "_"),
        state="open",
        flow=None,
        correlation_id=None,
        at=condition.since,
        deadline=None,
        severity=condition.severity,
        labels=dict(condition.labels),
        rule_version="",
        values=(condition.what,),
        activation=None,
        evidence=(),
        text=condition.text,
    )
