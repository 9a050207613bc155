"""Findings read back from the store."""

from collections.abc import Sequence

import duckdb

from analyzer.tables import FINDING_LOG, FindingRow
from collector.store.notes import noted

COLUMNS = FINDING_LOG.selected()


JUDGED_BY = "judged_by"
"""In `meta`: the rules by which everything that is stored was judged."""


def judged_by(cursor: duckdb.DuckDBPyConnection) -> str | None:
    return noted(cursor, JUDGED_BY)


def findings(
    cursor: duckdb.DuckDBPyConnection, clauses: str = "", parameters: Sequence[object] = ()
) -> list[tuple[FindingRow, int]]:
    """Findings as they stand, each with the moment (µs) at which it was first told."""
    query = f"SELECT {COLUMNS}, epoch_us(found_at) FROM findings {clauses}"
    rows = cursor.execute(query, list(parameters)).fetchall()
    return [(FindingRow(*row[:-1]), row[-1]) for row in rows]


def findings_of(
    cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]
) -> list[tuple[FindingRow, int]]:
    """Those of the flow with these correlation IDs, in the order of their moments."""
    query = (
        "WITH of_flow AS (SELECT * FROM finding_log WHERE id IN (SELECT id FROM finding_log "
        "WHERE correlation_id IN (SELECT unnest(?::VARCHAR[])))), newest AS ("
        "SELECT *, min(moment) OVER (PARTITION BY id) AS found_at FROM of_flow "
        "QUALIFY row_number() OVER (PARTITION BY id ORDER BY seq DESC) = 1) "
        f"SELECT {COLUMNS}, epoch_us(found_at) FROM newest "
        'WHERE correlation_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY "at", id'
    )
    rows = cursor.execute(query, [list(ids), list(ids)]).fetchall()
    return [(FindingRow(*row[:-1]), row[-1]) for row in rows]


def failed_flows(cursor: duckdb.DuckDBPyConnection, type: str | None = None) -> list[str]:
    """The correlation IDs of flows (of one type) with a finding that stands."""
    of_type, parameters = ("", []) if type is None else ("WHERE type = ?", [type])
    rows = cursor.execute(
        "SELECT DISTINCT flow FROM (SELECT arg_max(correlation_id, seq) AS flow, "
        f"arg_max(state, seq) AS state FROM finding_log {of_type} GROUP BY id) "
        "WHERE state = 'open' AND flow IS NOT NULL",
        parameters,
    ).fetchall()
    return [flow for (flow,) in rows]


def counts(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many findings there are, by state."""
    return dict(
        cursor.execute(
            "SELECT state, count(*) FROM (SELECT arg_max(state, seq) AS state FROM finding_log "
            "GROUP BY id) GROUP BY state ORDER BY state"
        ).fetchall()
    )


def remembered(cursor: duckdb.DuckDBPyConnection) -> list[bytes]:
    """What the live cache had written down, in its order."""
    rows = cursor.execute("SELECT data FROM open_flows ORDER BY number").fetchall()
    return [data for (data,) in rows]


def next_seq(cursor: duckdb.DuckDBPyConnection, table: str) -> int:
    row = cursor.execute(f"SELECT coalesce(max(seq), 0) + 1 FROM {table}").fetchone()
    return int(row[0]) if row else 1
