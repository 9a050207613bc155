"""What the API answers, the pages show and `--json` prints: one shape for all three.

Times are RFC 3339 strings in UTC; a field that is not known is null, never absent.
"""

from typing import Literal

from pydantic import BaseModel, Field, RootModel

from analyzer.why.words import Confidence
from analyzer.why.words import Word as WhyVerdict
from collector.sources.counting import Counted

FlowState = Literal["open", "ended", "failed", "partial", "unbegun", "runaway"]
FindingState = Literal["open", "closed", "retracted"]
InstanceState = Literal["met", "missing", "late", "violated", "void", "unknown", "pending"]


class Position(BaseModel):
    """Where an event lies on its bus."""

    source: str
    topic: str
    partition: int
    offset: int
    time: str
    name: str


class Finding(BaseModel):
    """The finding line of the contract, with what happened to it since."""

    id: str
    expectation: str
    type: str
    finding: str
    state: FindingState
    flow: str | None
    at: str
    deadline: str | None
    severity: str
    labels: dict[str, str]
    rule_version: str
    values: list[str]
    activation: Position | None
    evidence: list[Position]
    text: str
    historical: bool
    found_at: str
    changed_at: str
    reason: str | None
    alert: str | None = None
    """The fingerprint of the alert that it belongs to; null: nobody was told of it."""


class FlowItem(BaseModel):
    """A flow in a list. `aliases` are its correlation IDs besides the one that names it."""

    flow: str
    aliases: list[str] = []
    type: str | None
    state: FlowState
    began: str
    last: str
    events: int
    names: list[str]
    keys: dict[str, list[str]]
    findings: int


class TimelineEvent(BaseModel):
    """An event of a flow; `gap_ms` is the time since the event before it."""

    kind: Literal["event"] = "event"
    source: str
    topic: str
    partition: int
    offset: int
    time: str
    arrival: str
    gap_ms: float | None
    name: str
    id: str | None
    key: str | None
    keys: dict[str, str]
    headers: list[tuple[str, str]]
    payload: str | None
    encoding: str
    problems: list[str]
    correlation_ids: list[str]


class Ghost(BaseModel):
    """An event that is not there: awaited still, or missing, or late."""

    kind: Literal["ghost"] = "ghost"
    time: str | None
    names: list[str]
    state: Literal["pending", "missing", "late", "unknown"]
    expectation: str
    type: str
    text: str


class InstanceItem(BaseModel):
    """One application of an expectation to this flow."""

    expectation: str
    type: str
    state: InstanceState
    finding: str | None
    activation: Position | None
    deadline: str | None
    text: str


class FlowDetail(FlowItem):
    """A flow with its timeline: events and ghosts, in order of time.

    `parents` are the flows that its events name as such, seen or not; `children` name it.
    """

    parents: list[str] = []
    children: list[str] = []
    timeline: list[TimelineEvent | Ghost]
    instances: list[InstanceItem]
    found: list[Finding]


class PartitionStatus(BaseModel):
    """How far a partition was read, and up to when everything in it was seen."""

    topic: str
    partition: int
    position: int
    high_watermark: int | None
    complete_to: str | None
    gaps: int
    blocked_since: str | None
    hidden_from: int | None = None
    """Where an open transaction begins: what others committed from there on is not seen yet."""
    hidden_since: str | None = None
    waiting: bool = False
    """It is not read for now: slower partitions catch up first."""


class DeniedTopic(BaseModel):
    """A topic that the tap may not read."""

    topic: str
    since: str
    why: str


class CatchingUp(BaseModel):
    """A tap that is far behind its bus: how fast it reads, and how long that will take."""

    since: str
    behind: int
    rate: float | None
    """Read a second."""
    counted_in: Counted = "records"
    """What both count: `records`, or the `bytes` of a file of event lines."""
    seconds_left: float | None
    """At the pace of late; null while the bus is as fast."""


class PublishedAfter(BaseModel):
    """That events of a topic were published later than they happened, lately, and by how much."""

    topic: str
    seconds: float
    """The most of the last half hour to hour, by the records' stamps."""
    grace_seconds: float | None
    """The least `grace` that does not cover it; null: every one that counts here does."""
    not_covered: list[str]
    """The expectations that so may call missing what is only not published yet."""


class SourceStatus(BaseModel):
    """A source and how its tap stands with the bus; while connecting, why and when it tries."""

    name: str
    kind: str
    state: Literal["reading", "connecting"] | None = None
    """Null where no daemon runs."""
    since: str | None = None
    why: str | None = None
    next_try: str | None = None
    behind: int | None = None
    """What the bus has and the tap has not read; null where an end is not known."""
    counted_in: Counted = "records"
    """What that and positions count: `records`, or the `bytes` of a file of event lines."""
    behind_seconds: float | None = None
    """How long ago its least complete partition was complete."""
    denied: list[DeniedTopic] = []
    catching_up: CatchingUp | None = None
    skipped: dict[str, dict[str, int]] = {}
    """Events not kept since the tap started, by topic and reason (`ignored`, `sampled`)."""
    problems: dict[str, dict[str, int]] = {}
    """Problems of events since the tap started, by topic and problem."""
    published_after: list[PublishedAfter] | None = None
    """By topic, where that was later than they happened; null where nobody can tell."""
    partitions: list[PartitionStatus]


class CommonKey(BaseModel):
    """Values of a tying key that are on too many correlation IDs, and so tie none."""

    key: str
    values: int
    example: str


class Status(BaseModel):
    """The daemon (or the store, when none runs) at a glance."""

    version: str
    running: bool
    role: str | None = None
    """active, or standby (it judges, and sends nothing); None where no daemon runs."""
    settled_to: str | None
    held: int
    runaway: int = 0
    store: str
    store_bytes: int
    store_full: str | None = None
    """Why nothing is written, and so nothing read, until there is room on the disk."""
    events: int
    untied: int
    unnamed: int
    common_keys: list[CommonKey] = []
    problems: dict[str, int]
    findings: dict[str, int]
    alerts: dict[str, int] = {}
    """How many stand, by state (`pending`, `firing`)."""
    outbox: int
    queued: int = 0
    """Batches between the taps and the judge; 2 is full, and the taps wait."""
    expectations: list[str]
    rule_errors: list[str]
    failures: list[str] = []
    """Expectations of which judging failed somewhere, by a mistake of nonevent's: how often since
    the daemon read its rules, in which flow or window last, and why."""
    sources: list[SourceStatus]


CountedBy = Literal["source", "topic", "name"]


class Count(BaseModel):
    """How many events there are of the minute that begins then."""

    minute: str
    of: str | None
    """Of which source, topic or name; null where all are counted together."""
    events: int
    untied: int
    """Without a correlation ID."""
    problems: int
    """With a problem."""


class CountPage(BaseModel):
    items: list[Count]
    next: str | None


class FlowPage(BaseModel):
    items: list[FlowItem]
    next: str | None


class FindingPage(BaseModel):
    items: list[Finding]
    next: str | None


class FieldsMissing(BaseModel):
    """How often a field that a condition or a path reads was not there, or was not what it needs,
    and how often it was asked: of a flow that is looked at again, again."""

    text: str
    missing: int
    asked: int


class Sampled(BaseModel):
    """A topic of which only this share of the flows is kept (`sample`)."""

    source: str
    topic: str
    share: float


class ExpectationItem(BaseModel):
    """One live expectation: what it says, what was found, and what it is about was last seen when.

    Exact numbers of activations are judged by `nonevent backtest`.
    """

    name: str
    type: str
    """The flow type."""
    kind: str
    sentence: str
    about: str | None
    severity: str
    labels: dict[str, str]
    runbook: str | None
    rule_version: str
    file: str
    findings: dict[FindingState, int]
    last_finding: str | None
    """The newest moment of a finding that was not retracted."""
    activated_by: list[str]
    """The events without which there is nothing to judge, as the file calls them."""
    last_seen: str | None
    """The minute in which one of these was last seen; null: never."""
    last_day: int
    """How many of them there were in the last 24 hours."""
    at_most: bool
    """Whether a condition narrows them, so that what was seen may not have been meant."""
    silent: bool
    """None of them is stored: nothing was judged, and so nothing is known to be well."""
    unknown: int | None
    """Flows in which it could not be told since the daemon read its rules: partial ones, or where
    something was not seen. Null where no daemon runs: `nonevent backtest` tells of a past."""
    unknown_in: list[str]
    """The last of these flows."""
    failed: int | None
    """In so many flows and windows judging failed, by a mistake of nonevent's, since the daemon
    read its rules: there it is unknown. Null where no daemon runs."""
    last_failed: str | None
    """In which it did last, and why."""
    fields_missing: list[FieldsMissing]
    """Conditions and paths of which a field was not there, since the rules were read."""
    sampled: list[Sampled] = []
    """The sampled topics on which something was seen that it looks at: of the flows that are not
    kept, what it awaits there is unknown."""


class ExpectationPage(BaseModel):
    items: list[ExpectationItem]
    next: str | None = None


class NameItem(BaseModel):
    """A name of events on a topic; `first` and `last` are the minutes in which it was seen."""

    topic: str
    name: str
    events: int
    first: str
    last: str


class NamePage(BaseModel):
    items: list[NameItem]
    next: str | None = None


class Dropped(BaseModel):
    """Events without a correlation ID although their flow has one, by who publishes them."""

    source: str
    topic: str
    name: str
    producer: str | None
    dropped: int
    carried: int
    """Since then so many of the same did carry one."""
    since: str
    last: str
    example: str
    """A flow that lacks one of them, or has it by a key alone."""


class DroppedPage(BaseModel):
    items: list[Dropped]
    next: str | None = None


Verdict = Literal[
    "ok", "growing", "stuck", "stopped", "rewound", "rebalancing", "recreated", "swallowing",
    "producer_hung", "unseen",
]  # fmt: skip


class ConsumerItem(BaseModel):
    """One group on one partition; without one where nothing of its commits is known."""

    source: str = Field(default="", exclude=True)
    group: str
    topic: str | None
    partition: int | None
    committed: int | None
    end: int | None
    """The last stable offset."""
    lag: int | None
    lag_seconds: float | None
    """How long ago the oldest record was appended that is not committed yet."""
    group_state: str
    verdict: Verdict
    since: str | None
    because: str


class ConsumerPage(BaseModel):
    items: list[ConsumerItem]
    next: str | None = None


class BalanceCounts(BaseModel):
    """`came` is `consumed`, `waiting` and `unknown`; `consumed` is `answered`, `in_work`,
    `put_away` and `unaccounted`."""

    came: int
    consumed: int
    answered: int
    in_work: int
    put_away: int
    unaccounted: int
    waiting: int
    unknown: int


class MinuteBalance(BalanceCounts):
    minute: str


class LearnedStep(BaseModel):
    """That the service brings out `emits` of `consumes`, and on how many cases that rests."""

    consumes: str
    emits: str
    confidence: Literal["likely", "possible"]
    cases_for: int
    against: int
    undecided: int
    confused_with: list[str]
    """Other groups that fit as well."""
    or_of: list[str]
    """Other events that the service takes, of which the same may come."""


class ServiceItem(BaseModel):
    """Who takes what in and brings what out, and how that balances."""

    service: str
    type: str | None
    """The flow type of the rule file that declares it."""
    origin: Literal["declared", "learned"]
    confidence: Literal["likely", "possible"] | None
    """Of a learned one."""
    groups: list[str]
    consumes: list[str]
    emits: list[str]
    learned: list[LearnedStep]
    balance: BalanceCounts | None
    """None where events cannot be told by what they are called."""
    minutes: list[MinuteBalance]


class ServicePage(BaseModel):
    """Counted are events that happened from `since` on, among the newest `events` of the store;
    steps were learned from `learned_from` events, their flows among these."""

    items: list[ServiceItem]
    next: str | None = None
    since: str | None
    until: str | None
    """Consumers were seen to here."""
    events: int
    learned_from: int


class RuledOut(BaseModel):
    """A verdict that it is not, and why not."""

    verdict: WhyVerdict
    why: str


class WhyItem(BaseModel):
    """Why one thing is missing from a flow, late, or awaited still."""

    type: str = Field(default="", exclude=True)
    deadline: str | None = Field(default=None, exclude=True)
    flow: str
    expectation: str
    verdict: WhyVerdict
    confidence: Confidence
    text: str
    evidence: list[dict[str, str | int | float | bool | None]]
    ruled_out: list[RuledOut]


class WhyPage(BaseModel):
    """Where not exactly one thing is missing."""

    items: list[WhyItem]
    next: str | None = None


class WhyAnswer(RootModel[WhyItem | WhyPage]):
    """One object where one thing is missing, else a list."""

    @classmethod
    def of(cls, found: WhyPage) -> "WhyAnswer":
        return cls(found.items[0] if len(found.items) == 1 else found)


class EventItem(TimelineEvent):
    """An event in a list of events; `seq` is its place in the store."""

    seq: int


class EventPage(BaseModel):
    items: list[EventItem]
    next: str | None
