"""What alerts leave in the store: their transitions, what was told of them, and what people did."""

import msgspec

from collector.store.tables import Table


class AlertRow(msgspec.Struct, gc=False):
    """One transition of an alert. The log is only appended to; the newest row of one stands."""

    seq: int
    fingerprint: str
    expectation: str
    type: str
    state: str
    """pending (its findings have not stood as long as `for` says), firing, resolved"""
    severity: str
    labels: str
    own_labels: str
    """As its findings carry them, without those of the configuration."""
    since: int
    """When it came to this state."""
    began: int
    """When it last came to stand at all."""
    count: int
    """Findings that stand in it."""
    flow: str | None
    """Of these, the flow that has been waiting longest."""
    oldest: int | None
    """Since when that one has."""
    text: str
    reason: str | None
    """Of what is resolved: why."""
    acknowledged: str | None
    """By whom."""
    quiet: str | None
    """Why nobody is told of it now."""
    moment: int


class TellingRow(msgspec.Struct, gc=False):
    """That one sink was told of one alert; or, as part of another's notification, `with` it."""

    fingerprint: str
    sink: str
    status: str
    moment: int
    upto: int
    """The newest finding that it was told of, as its number in `finding_log`."""
    count: int
    bundle: str
    """The alert whose notification it was."""


class ActRow(msgspec.Struct, gc=False):
    """What somebody did; also the audit trail. Nothing here is ever changed."""

    seq: int
    kind: str
    """acknowledge, take_back (an acknowledgement), close, silence, expire, mark"""
    moment: int
    author: str
    comment: str
    alert: str | None = None
    finding: str | None = None
    matchers: tuple[str, ...] = ()
    starts: int | None = None
    ends: int | None = None
    of: int | None = None
    """The silence or the mark that is ended before its time."""
    what: str | None = None
    """Of a mark: deploy or maintenance."""


ALERT_LOG = Table(
    "alert_log",
    AlertRow,
    {
        "seq": "BIGINT",
        "fingerprint": "VARCHAR",
        "expectation": "VARCHAR",
        "type": "VARCHAR",
        "state": "VARCHAR",
        "severity": "VARCHAR",
        "labels": "VARCHAR",
        "own_labels": "VARCHAR",
        "since": "TIMESTAMP",
        "began": "TIMESTAMP",
        "count": "BIGINT",
        "flow": "VARCHAR",
        "oldest": "TIMESTAMP",
        "text": "VARCHAR",
        "reason": "VARCHAR",
        "acknowledged": "VARCHAR",
        "quiet": "VARCHAR",
        "moment": "TIMESTAMP",
    },
)

TELLINGS = Table(
    "tellings",
    TellingRow,
    {
        "fingerprint": "VARCHAR",
        "sink": "VARCHAR",
        "status": "VARCHAR",
        "moment": "TIMESTAMP",
        "upto": "BIGINT",
        "count": "BIGINT",
        "bundle": "VARCHAR",
    },
)

ACTS = Table(
    "acts",
    ActRow,
    {
        "seq": "BIGINT",
        "kind": "VARCHAR",
        "moment": "TIMESTAMP",
        "author": "VARCHAR",
        "comment": "VARCHAR",
        "alert": "VARCHAR",
        "finding": "VARCHAR",
        "matchers": "VARCHAR[]",
        "starts": "TIMESTAMP",
        "ends": "TIMESTAMP",
        "of": "BIGINT",
        "what": "VARCHAR",
    },
)

ALERTS_VIEW = """
CREATE OR REPLACE VIEW alerts AS
SELECT * FROM alert_log QUALIFY row_number() OVER (PARTITION BY fingerprint ORDER BY seq DESC) = 1
"""
"""For people and for queries: each alert as it stands."""
