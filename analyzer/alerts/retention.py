"""What the store need not keep of alerts. What people did stays: it is the audit trail."""

import duckdb


def forget_old(connection: duckdb.DuckDBPyConnection, before: int) -> None:
    """Transitions and tellings from before a moment (µs), but for the last word on what is not
    over."""
    for table, order, state, group in (
        ("alert_log", "seq", "state", "fingerprint"),
        ("tellings", "rowid", "status", "fingerprint, sink"),
    ):
        connection.execute(
            f"DELETE FROM {table} WHERE epoch_us(moment) < ? AND ({state} = 'resolved' OR "
            f"{order} NOT IN (SELECT max({order}) FROM {table} GROUP BY {group}))",
            [before],
        )
