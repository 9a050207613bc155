"""What is taken out of what was found and told: a flow, and what belongs to none."""

import duckdb
import msgspec

from analyzer.notification import notification_of

FORGOTTEN = "about a flow that was forgotten"


def forget(connection: duckdb.DuckDBPyConnection, flow: str) -> None:
    """Alerts stay, for they are about other flows too; they name this one no longer."""
    connection.execute("DELETE FROM finding_log WHERE correlation_id = ?", [flow])
    # The cache of open flows is made anew of what is left.
    connection.execute("DELETE FROM open_flows")
    connection.execute("UPDATE alert_log SET text = ? WHERE contains(text, ?)", [FORGOTTEN, flow])
    connection.execute(
        "UPDATE alert_log SET reason = ? WHERE contains(reason, ?)", [FORGOTTEN, flow]
    )
    connection.execute(
        "UPDATE alert_log SET flow = NULL WHERE flow = $1 OR starts_with(flow, $1 || '#')", [flow]
    )
    written = msgspec.json.encode(flow).decode()[1:-1]
    rows = connection.execute(
        "SELECT seq, body FROM outbox WHERE contains(body, ?)", [written]
    ).fetchall()
    for seq, body in rows:
        connection.execute("UPDATE outbox SET body = ? WHERE seq = ?", [_without(body, flow), seq])


def forget_taken_back(connection: duckdb.DuckDBPyConnection, before: int) -> None:
    """What was found in no flow, and taken back before that moment (µs): nothing else takes it
    away."""
    connection.execute(
        "DELETE FROM finding_log WHERE id IN (SELECT id FROM findings WHERE "
        "correlation_id IS NULL AND state = 'retracted' AND epoch_us(moment) < ?)",
        [before],
    )


def _without(body: str, flow: str) -> str:
    told = notification_of(body)
    written = msgspec.json.encode(flow).decode()[1:-1]

    def kept(text: str | None) -> str | None:
        return FORGOTTEN if text is not None and flow in text else text

    others = (one for one in told.findings if written not in msgspec.json.encode(one).decode())
    told = msgspec.structs.replace(
        told,
        findings=tuple(others),
        oldest=kept(told.oldest),
        text=kept(told.text),
        reason=kept(told.reason),
    )
    return msgspec.json.encode(told).decode()
