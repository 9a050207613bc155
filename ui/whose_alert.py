"""Which findings belong to which alert: by type, expectation and labels."""

from collections.abc import Callable, Iterable, Sequence

import duckdb

from analyzer.alerts.making import manner_of
from analyzer.alerts.rows import AlertRow
from analyzer.rules.ruleset import RuleSet
from analyzer.tables import FindingRow, labels_of

Whose = Callable[[str, str, str], str | None]
"""The fingerprint for a type, an expectation and labels as JSON."""


def alerts_of(
    cursor: duckdb.DuckDBPyConnection, rules: RuleSet, rows: Iterable[FindingRow]
) -> dict[str, str]:
    """By the id of a finding, the alert it stands or stood in."""
    told = [row for row in rows if not row.historical]
    whose = _whose(cursor, rules, sorted({row.expectation for row in told}))
    found = {row.id: whose(row.type, row.expectation, row.labels) for row in told}
    return {id: fingerprint for id, fingerprint in found.items() if fingerprint is not None}


def of_alert(
    cursor: duckdb.DuckDBPyConnection, rules: RuleSet, alert: AlertRow
) -> tuple[str, list[object]]:
    """The condition of its findings, and the condition's parameters."""
    of = "type = ? AND expectation = ? AND NOT historical"
    which: list[object] = [alert.type, alert.expectation]
    texts = cursor.execute(f"SELECT DISTINCT labels FROM finding_log WHERE {of}", which).fetchall()
    whose = _whose(cursor, rules, [alert.expectation])
    own = [
        text for (text,) in texts if whose(alert.type, alert.expectation, text) == alert.fingerprint
    ]
    return f"{of} AND labels IN (SELECT unnest(?::VARCHAR[]))", [*which, own]


def _whose(cursor: duckdb.DuckDBPyConnection, rules: RuleSet, expectations: Sequence[str]) -> Whose:
    rows = cursor.execute(
        "SELECT type, expectation, own_labels, arg_max(fingerprint, seq) FROM alert_log "
        "WHERE expectation IN (SELECT unnest(?::VARCHAR[])) "
        "GROUP BY type, expectation, own_labels ORDER BY max(seq)",
        [list(expectations)],
    ).fetchall()
    alerts: dict[tuple[str, str, frozenset[tuple[str, str]]], str] = {
        (type, one, _key(labels_of(own))): found for type, one, own, found in rows
    }

    def whose(type: str, expectation: str, text: str) -> str | None:
        carried = labels_of(text)
        exact = alerts.get((type, expectation, _key(carried)))
        if exact is not None:
            return exact
        # Beyond so many alerts of one expectation, the others are one without such labels.
        taken = manner_of(rules, type, expectation).grouped_by
        bare = {name: value for name, value in carried.items() if name not in taken}
        return alerts.get((type, expectation, _key(bare)))

    return whose


def _key(labels: dict[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())
