"""The analyzer's tables in the store: what was found, and what people are yet to be told."""

import msgspec

from analyzer.alerts.rows import ACTS, ALERT_LOG, ALERTS_VIEW, TELLINGS
from analyzer.finding import Finding, Position
from collector.store.tables import Table

labels_of = msgspec.json.Decoder(dict[str, str]).decode
_position = msgspec.json.Decoder(Position).decode
_positions = msgspec.json.Decoder(tuple[Position, ...]).decode


class FindingRow(msgspec.Struct, gc=False):
    """One transition of a finding. The log is only appended to; the newest row of an id stands."""

    seq: int
    id: str
    expectation: str
    type: str
    finding: str
    state: str
    flow: str | None
    correlation_id: str | None
    at: int
    deadline: int | None
    severity: str
    labels: str
    rule_version: str
    values: tuple[str, ...]
    activation: str | None
    evidence: str
    text: str
    reason: str | None
    historical: bool
    """From before the first start, or of a rule that is newer than its flow's end: no alert."""
    news: bool
    """Whether people are to hear of it; further evidence alone is only written down."""
    moment: int
    """When it was announced: history, and the one field that a second run may give otherwise."""
    closed_by: str | None = None
    """Who closed it by hand."""

    @classmethod
    def of(
        cls,
        finding: Finding,
        seq: int,
        reason: str | None,
        moment: int,
        *,
        historical: bool,
        news: bool,
    ) -> "FindingRow":
        f = finding
        return cls(
            seq, f.id, f.expectation, f.type, f.finding, f.state, f.flow, f.correlation_id, f.at,
            f.deadline, f.severity, _json(f.labels), f.rule_version, f.values,
            _json(f.activation) if f.activation else None, _json(f.evidence), f.text, reason,
            historical, news, moment,
        )  # fmt: skip

    def to_finding(self) -> Finding:
        return Finding(
            self.id, self.expectation, self.type, self.finding, self.state, self.flow,
            self.correlation_id, self.at, self.deadline, self.severity,
            labels_of(self.labels), self.rule_version,
            tuple(self.values),
            _position(self.activation) if self.activation else None,
            _positions(self.evidence), self.text,
        )  # fmt: skip


class OutboxRow(msgspec.Struct, gc=False):
    """One notification on its way to one sink; written with the transition that it tells of."""

    seq: int
    sink: str
    fingerprint: str
    """The alert's: what is said of one alert arrives in its order."""
    body: str
    """A `Notification` as JSON."""
    created: int
    delivered: int | None = None
    """When it needed no more care: `outcome` says why."""
    outcome: str | None = None
    """taken; merged (a later one about the same alert went in its stead); refused (for good);
    spared (it was over before the sink could be told of it)."""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


FINDING_LOG = Table(
    "finding_log",
    FindingRow,
    {
        "seq": "BIGINT",
        "id": "VARCHAR",
        "expectation": "VARCHAR",
        "type": "VARCHAR",
        "finding": "VARCHAR",
        "state": "VARCHAR",
        "flow": "VARCHAR",
        "correlation_id": "VARCHAR",
        "at": "TIMESTAMP",
        "deadline": "TIMESTAMP",
        "severity": "VARCHAR",
        "labels": "VARCHAR",
        "rule_version": "VARCHAR",
        "values": "VARCHAR[]",
        "activation": "VARCHAR",
        "evidence": "VARCHAR",
        "text": "VARCHAR",
        "reason": "VARCHAR",
        "historical": "BOOLEAN",
        "news": "BOOLEAN",
        "moment": "TIMESTAMP",
        "closed_by": "VARCHAR",
    },
)

OUTBOX = Table(
    "outbox",
    OutboxRow,
    {
        "seq": "BIGINT",
        "sink": "VARCHAR",
        "fingerprint": "VARCHAR",
        "body": "VARCHAR",
        "created": "TIMESTAMP",
        "delivered": "TIMESTAMP",
        "outcome": "VARCHAR",
    },
)


class OpenFlows(msgspec.Struct, gc=False):
    """A piece of what the live cache remembered; see `analyzer.remembered`."""

    number: int
    data: bytes


OPEN_FLOWS = Table("open_flows", OpenFlows, {"number": "BIGINT", "data": "BLOB"}, cache=True)

ANALYZER_TABLES = (FINDING_LOG, OUTBOX, OPEN_FLOWS, ALERT_LOG, TELLINGS, ACTS)

FINDINGS_VIEW = """
CREATE OR REPLACE VIEW findings AS
SELECT *, min(moment) OVER (PARTITION BY id) AS found_at
FROM finding_log
QUALIFY row_number() OVER (PARTITION BY id ORDER BY seq DESC) = 1
"""
"""For people and for queries: each finding as it stands, with the moment it was first told."""

ANALYZER_VIEWS = (FINDINGS_VIEW, ALERTS_VIEW)
