"""What a rule says about one flow: instances, each in exactly one state."""

import hashlib
from typing import Literal

import msgspec

from collector.event import Event

State = Literal["met", "missing", "late", "violated", "void", "unknown", "pending"]
STATES: tuple[State, ...] = (
    "met", "missing", "late", "violated", "void", "unknown", "pending",
)  # fmt: skip


class Instance(msgspec.Struct, gc=False):
    """One application of an expectation: *this* order awaits *its* payment until 10:02:30."""

    expectation: str
    state: State
    activation: Event | None = None
    """The triggering event; None for rules of the whole flow."""
    finding: str | None = None
    """What went wrong: missing, late, forbidden, repeated, …"""
    at: int | None = None
    """The offending event's time, or the deadline; never a clock's."""
    deadline: int | None = None
    due: int | None = None
    """While pending: judged when completeness has passed this; None: only an event settles it."""
    lacks: tuple[str, ...] = ()
    """The names that were awaited and are not there (in time)."""
    evidence: tuple[Event, ...] = ()
    text: str = ""


def finding_id(type: str, flow: str, begin: Event | None, instance: Instance) -> str:
    """The same finding has the same id, on every machine and after every restart.

    A batch event activates the rule in several flows at once: there the flow tells them apart.
    """
    activation = instance.activation
    parts = [
        f"{type}/{instance.expectation}",
        begin.position() if begin else "-",
        activation.position() if activation else "-",
    ]
    if activation is not None and len(activation.correlation_ids) > 1:
        parts.append(flow)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:24]
