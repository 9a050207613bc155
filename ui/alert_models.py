"""Alerts, and what people did about them, as the API answers them and the pages show them."""

from typing import Literal

from pydantic import BaseModel

from analyzer.why.words import Confidence, Word
from ui.models import Finding

AlertState = Literal["pending", "firing", "resolved"]
ActKind = Literal["acknowledge", "take_back", "close", "silence", "expire", "mark"]
MarkKind = Literal["deploy", "maintenance"]
PeriodState = Literal["coming", "active", "over"]


class AlertItem(BaseModel):
    """An alert as it stands: findings of one expectation with the same labels."""

    fingerprint: str
    expectation: str
    type: str
    """The type of its flows; `nonevent` where nonevent speaks of itself."""
    state: AlertState
    severity: str
    labels: dict[str, str]
    since: str
    """When it came to this state."""
    began: str
    """When it last came to stand at all."""
    count: int
    """Findings that stand in it, as of `changed_at`."""
    flow: str | None
    """Of these, the flow that has been waiting longest."""
    oldest: str | None
    """Since when that one has."""
    text: str
    reason: str | None
    """Of what is resolved: why."""
    acknowledged: str | None
    """By whom."""
    quiet: str | None
    """Why nobody is told of it now."""
    changed_at: str
    link: str


class AlertPage(BaseModel):
    items: list[AlertItem]
    next: str | None


class AlertChange(BaseModel):
    """One transition of an alert, as it was written down."""

    at: str
    state: AlertState
    count: int
    text: str
    reason: str | None
    acknowledged: str | None
    quiet: str | None


class Told(BaseModel):
    """What one sink was last told of an alert."""

    sink: str
    status: Literal["firing", "resolved"]
    at: str
    count: int
    told_with: str | None
    """The alert whose notification it was part of; null: its own."""
    delivered: str | None
    """When that notification needed no more care."""
    outcome: str | None
    """How it ended (`taken`, …); null while it waits."""


class Act(BaseModel):
    """What somebody did: a line of the audit trail."""

    id: int
    kind: ActKind
    at: str
    author: str
    comment: str
    alert: str | None
    finding: str | None
    matchers: list[str]
    starts: str | None
    ends: str | None
    of: int | None
    """The silence or the mark that was ended before its time."""
    what: MarkKind | None


class ActPage(BaseModel):
    items: list[Act]
    next: str | None


class Period(BaseModel):
    """Something that holds for a time; `ended_by` is who ended it before its time."""

    id: int
    state: PeriodState
    author: str
    comment: str
    matchers: list[str]
    starts: str
    ends: str | None
    ended_by: str | None


class Silence(Period):
    """Alerts that fit all matchers are judged and stored, and not told."""


class SilencePage(BaseModel):
    items: list[Silence]
    next: str | None


class Mark(Period):
    """A deploy, which is only shown, or maintenance, which silences."""

    what: MarkKind


class MarkPage(BaseModel):
    items: list[Mark]
    next: str | None


class WhyCount(BaseModel):
    """What is so of several of an alert's flows alike."""

    verdict: Word
    confidence: Confidence
    """The least of them all."""
    count: int
    about: str
    """What is the same for them: behind whom they wait, since when."""
    flow: str
    """One of them."""
    text: str
    """Why that one is missing."""


class AlertWhy(BaseModel):
    """Why an alert's findings are there, each asked by itself, and counted."""

    text: str
    asked: int
    """So many were looked at, the newest."""
    count: int
    items: list[WhyCount]


class AlertDetail(AlertItem):
    """An alert with its newest findings (those that are open first) and all that became of it."""

    findings: list[Finding]
    more_findings: bool
    """Whether there are others: `/api/findings?alert=FINGERPRINT` has them all."""
    history: list[AlertChange]
    acts: list[Act]
    told: list[Told]
    silences: list[Silence]
    """Those that hold now, or will, and are about it."""
    marks: list[Mark]
    """Those from an hour before it began until it was over."""
    why: AlertWhy | None = None
    """Null where it is about no flows, or nothing of it stands."""


class FindingTally(BaseModel):
    type: str
    expectation: str
    severity: str
    state: str
    findings: int


class AlertTally(BaseModel):
    state: AlertState
    severity: str
    alerts: int


class SinkTally(BaseModel):
    """What became of the notifications to one sink that the store still knows."""

    sink: str
    waiting: int
    oldest: str | None
    """When the one that waits longest was written."""
    taken: int
    merged: int
    """Not sent, since a later one about the same alert was, or nothing was left to tell."""
    refused: int
    last_taken: str | None


class Tally(BaseModel):
    """How many there are of what people look after."""

    findings: list[FindingTally]
    alerts: list[AlertTally]
    sinks: list[SinkTally]
