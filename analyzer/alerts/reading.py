"""Alerts read back from the store."""

from collections.abc import Iterator, Sequence

import duckdb
import msgspec

from analyzer.alerts.alert import Alert
from analyzer.alerts.book import Book
from analyzer.alerts.rows import ACTS, ALERT_LOG, TELLINGS, ActRow, AlertRow, TellingRow
from analyzer.reading import findings
from analyzer.tables import FindingRow, labels_of

ALERT_COLUMNS = ALERT_LOG.selected()
ACT_COLUMNS = ACTS.selected()
_PLACES = ", ".join(
    "make_timestamp(?::BIGINT)" if kind == "TIMESTAMP" else "?" for kind in ACTS.columns.values()
)
INSERT_ACT = f"INSERT INTO acts VALUES ({_PLACES})"


def act_values(act: ActRow) -> list[object]:
    values = (getattr(act, name) for name in ACTS.columns)
    return [list(value) if isinstance(value, tuple) else value for value in values]


def acts(
    cursor: duckdb.DuckDBPyConnection,
    clauses: str = "ORDER BY seq",
    parameters: Sequence[object] = (),
) -> list[ActRow]:
    """Everything that people did, in order."""
    rows = cursor.execute(f"SELECT {ACT_COLUMNS} FROM acts {clauses}", list(parameters))
    return [_act(row) for row in rows.fetchall()]


def _act(row: Sequence[object]) -> ActRow:
    values = dict(zip(ACTS.columns, row, strict=True))
    values["matchers"] = tuple(values["matchers"] or ())  # type: ignore[arg-type]
    return ActRow(**values)  # type: ignore[arg-type]


def alert_rows(
    cursor: duckdb.DuckDBPyConnection, clauses: str = "", parameters: Sequence[object] = ()
) -> list[AlertRow]:
    """Alerts as they stand."""
    rows = cursor.execute(f"SELECT {ALERT_COLUMNS} FROM alerts {clauses}", list(parameters))
    return [AlertRow(*row) for row in rows.fetchall()]


def standing_alerts(cursor: duckdb.DuckDBPyConnection, book: Book) -> Iterator[Alert]:
    """Those that were not over, without their findings."""
    for row in alert_rows(cursor, "WHERE state <> 'resolved' ORDER BY fingerprint"):
        manner = book.manner_of(row.type, row.expectation)
        yield Alert(
            row.fingerprint, row.expectation, row.type, row.severity, labels_of(row.labels),
            labels_of(row.own_labels), manner, book.keep if manner.keep is None else manner.keep,
            state=row.state, since=row.since, began=row.began, quiet=row.quiet,
            acknowledged=row.acknowledged, text=row.text, written=(row.moment, row.count),
        )  # fmt: skip


STRETCHES = """
SELECT id, max(seq) FILTER (begins) AS begun, arg_max(moment, seq) FILTER (begins) AS found,
       arg_max(news AND NOT historical, seq) FILTER (begins) AS told
FROM (SELECT id, seq, moment, news, historical, state, closed_by, state <> 'retracted'
             AND (was IS NULL OR was = 'retracted' OR (state = 'open' AND was = 'closed')) AS begins
      FROM (SELECT *, lag(state) OVER (PARTITION BY id ORDER BY seq) AS was FROM finding_log))
GROUP BY id
HAVING arg_max(state, seq) = 'open' OR (arg_max(state, seq) = 'closed'
       AND arg_max(closed_by IS NULL, seq) AND epoch_us(found) > $1)
"""
"""Findings that are open or were closed just now, each since it last was not."""


class Stands(msgspec.Struct, frozen=True):
    """A finding that people are to hear of: as it is, and when it came to stand."""

    row: FindingRow
    seq: int
    found: int


def standing_findings(cursor: duckdb.DuckDBPyConnection, since: int) -> list[Stands]:
    """What was announced and is open, or was closed by itself though found since then (µs); what
    was found first, first."""
    stretches = cursor.execute(
        f"SELECT id, begun, epoch_us(found) FROM ({STRETCHES}) WHERE told ORDER BY begun", [since]
    ).fetchall()
    rows = {row.id: row for row in rows_of(cursor, [id for id, _, _ in stretches])}
    return [Stands(rows[id], seq, found) for id, seq, found in stretches]


def rows_of(cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> list[FindingRow]:
    """These findings as they stand."""
    found = findings(cursor, "WHERE id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)])
    return [row for row, _ in found]


def tellings(cursor: duckdb.DuckDBPyConnection) -> list[TellingRow]:
    """What each sink was last told of each alert."""
    rows = cursor.execute(
        f"SELECT {TELLINGS.selected()} FROM tellings "
        "QUALIFY row_number() OVER (PARTITION BY fingerprint, sink ORDER BY rowid DESC) = 1"
    ).fetchall()
    return [TellingRow(*row) for row in rows]
