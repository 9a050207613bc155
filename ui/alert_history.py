"""What became of one alert, and how many there are of everything."""

from collections.abc import Sequence

import duckdb

from analyzer.alerts.reading import ALERT_COLUMNS
from analyzer.alerts.reading import acts as read_acts
from analyzer.alerts.rows import AlertRow
from analyzer.outbox.deliveries import states
from collector.times import format_time
from ui.act_rows import act_model
from ui.alert_models import Act, AlertChange, AlertTally, FindingTally, SinkTally, Tally, Told
from ui.rows import moment

MOST = 100
"""Transitions and acts are shown at most."""


def changes(cursor: duckdb.DuckDBPyConnection, fingerprint: str) -> list[AlertChange]:
    """The newest first."""
    rows = cursor.execute(
        f"SELECT {ALERT_COLUMNS} FROM alert_log WHERE fingerprint = ? ORDER BY seq DESC LIMIT ?",
        [fingerprint, MOST],
    ).fetchall()
    return [
        AlertChange(
            at=format_time(row.moment),
            state=row.state,
            count=row.count,
            text=row.text,
            reason=row.reason,
            acknowledged=row.acknowledged,
            quiet=row.quiet,
        )
        for row in (AlertRow(*one) for one in rows)
    ]


def acts(cursor: duckdb.DuckDBPyConnection, fingerprint: str, findings: Sequence[str]) -> list[Act]:
    """What was done to it or to these of its findings, the newest first."""
    clauses = (
        "WHERE alert = ? OR finding IN (SELECT unnest(?::VARCHAR[])) ORDER BY seq DESC LIMIT ?"
    )
    return [act_model(row) for row in read_acts(cursor, clauses, [fingerprint, findings, MOST])]


def told(cursor: duckdb.DuckDBPyConnection, fingerprint: str) -> list[Told]:
    """By sink, what it was last told, and what became of that notification."""
    rows = cursor.execute(
        "SELECT sink, status, epoch_us(moment), count, bundle FROM tellings WHERE fingerprint = ? "
        "QUALIFY row_number() OVER (PARTITION BY sink ORDER BY rowid DESC) = 1 ORDER BY sink",
        [fingerprint],
    ).fetchall()
    sent = {
        (sink, alert): (delivered, outcome)
        for sink, alert, delivered, outcome in cursor.execute(
            "SELECT sink, fingerprint, epoch_us(delivered), outcome FROM outbox "
            "WHERE fingerprint IN (SELECT unnest(?::VARCHAR[])) "
            "QUALIFY row_number() OVER (PARTITION BY sink, fingerprint ORDER BY seq DESC) = 1",
            [[row[4] for row in rows]],
        ).fetchall()
    }
    found = []
    for sink, status, at, count, bundle in rows:
        delivered, outcome = sent.get((sink, bundle), (None, None))
        found.append(
            Told(
                sink=sink,
                status=status,
                at=format_time(at),
                count=count,
                told_with=None if bundle == fingerprint else bundle,
                delivered=moment(delivered),
                outcome=outcome,
            )
        )
    return found


def standing(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many alerts stand, by state."""
    rows = cursor.execute(
        "SELECT state, count(*) FROM (SELECT arg_max(state, seq) AS state FROM alert_log "
        "GROUP BY fingerprint) WHERE state <> 'resolved' GROUP BY state ORDER BY state"
    ).fetchall()
    return {"firing": 0, "pending": 0} | dict(rows)


def tally(cursor: duckdb.DuckDBPyConnection) -> Tally:
    findings = cursor.execute(
        "SELECT type, expectation, severity, state, count(*) FROM (SELECT "
        "arg_max(type, seq) AS type, arg_max(expectation, seq) AS expectation, "
        "arg_max(severity, seq) AS severity, arg_max(state, seq) AS state "
        "FROM finding_log GROUP BY id) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    alerts = cursor.execute(
        "SELECT state, severity, count(*) FROM (SELECT arg_max(state, seq) AS state, "
        "arg_max(severity, seq) AS severity FROM alert_log GROUP BY fingerprint) "
        "WHERE state <> 'resolved' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return Tally(
        findings=[
            FindingTally(type=type, expectation=one, severity=severity, state=state, findings=count)
            for type, one, severity, state, count in findings
        ],
        alerts=[
            AlertTally(state=state, severity=severity, alerts=count)
            for state, severity, count in alerts
        ],
        sinks=[
            SinkTally(
                sink=one.sink,
                waiting=one.waiting,
                oldest=moment(one.waiting_since),
                taken=one.taken,
                merged=one.merged + one.spared,
                refused=one.refused,
                last_taken=moment(one.last_taken),
            )
            for one in states(cursor)
        ],
    )
