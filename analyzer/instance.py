"""What a rule says about one flow: instances, each in exactly one state."""

import hashlib
from typing import Literal

import msgspec

from analyzer.episode import Episode
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
    by: str = ""
    """Which of several instances of one activation this is: a counted name, a value."""
    failed: bool = False
    """Unknown because judging it failed: a mistake of nonevent's."""


def met_once(over: bool) -> State:
    """Where nothing is wrong: `met` when the time is over in which something could be."""
    return "met" if over else "pending"


def finding_id(episode: Episode, instance: Instance) -> str:
    """The same finding has the same id, on every machine and after every restart.

    An event that carries several correlation IDs, or none and is tied by keys, may begin or
    activate in several flows at once: there the flow tells them apart.
    """
    begin, activation = episode.begin, instance.activation
    parts = [
        f"{episode.type}/{instance.expectation}",
        begin.position() if begin else "-",
        activation.position() if activation else "-",
    ]
    if instance.by:
        parts.append(instance.by)
    anchor = begin or activation
    if anchor is None or len(anchor.correlation_ids) != 1:
        parts.append(episode.flow)
    return _hash(parts)


def window_finding_id(type: str, instance: Instance) -> str:
    """Of an expectation about windows: `by` tells the window, and the value where there is one."""
    return _hash([f"{type}/{instance.expectation}", "-", "-", instance.by])


def _hash(parts: list[str]) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:24]
