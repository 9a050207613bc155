"""Findings and undelivered notifications read back from the store."""

from collections.abc import Sequence

import duckdb

from analyzer.tables import FINDING_LOG, FindingRow, OutboxRow

_MICROS = {"at", "deadline", "moment"}
COLUMNS = ", ".join(
    f'epoch_us("{name}")' if name in _MICROS else f'"{name}"' for name in FINDING_LOG.columns
)


def findings(
    cursor: duckdb.DuckDBPyConnection, clauses: str = "", parameters: Sequence[object] = ()
) -> list[tuple[FindingRow, int]]:
    """Findings as they stand, each with the moment (µs) at which it was first told."""
    query = f"SELECT {COLUMNS}, epoch_us(found_at) FROM findings {clauses}"
    rows = cursor.execute(query, list(parameters)).fetchall()
    return [(FindingRow(*row[:-1]), row[-1]) for row in rows]


def undelivered(cursor: duckdb.DuckDBPyConnection, sink: str, limit: int) -> list[OutboxRow]:
    """The oldest notifications that this sink has not taken yet, in order."""
    rows = cursor.execute(
        "SELECT seq, sink, fingerprint, body, epoch_us(created) FROM outbox "
        "WHERE sink = ? AND delivered IS NULL ORDER BY seq LIMIT ?",
        [sink, limit],
    ).fetchall()
    return [OutboxRow(*row) for row in rows]


def next_seq(cursor: duckdb.DuckDBPyConnection, table: str) -> int:
    row = cursor.execute(f"SELECT coalesce(max(seq), 0) + 1 FROM {table}").fetchone()
    return int(row[0]) if row else 1
