"""Why the findings of an alert are there: each flow's reason, counted."""

import duckdb

from analyzer.alerts.rows import AlertRow
from analyzer.reading import findings
from analyzer.rules.ruleset import RuleSet
from analyzer.tables import FindingRow
from analyzer.why.summary import Reasons, summary
from ui.whose_alert import of_alert
from ui.why_queries import WhyReader

MOST = 300
"""So many findings are looked at, the newest."""


def reasons(
    cursor: duckdb.DuckDBPyConnection, rules: RuleSet, whys: WhyReader, alert: AlertRow
) -> Reasons | None:
    """Of those that are open; or, where it fires on for others to hear of it, of those that were.
    None where they are about no flows, or nothing is there that could have a reason."""
    of, which = of_alert(cursor, rules, alert)
    of += " AND flow IS NOT NULL"
    rows = _newest(cursor, f"{of} AND state = 'open'", which)
    if not rows and alert.state != "resolved":
        since = f"{of} AND state = 'closed' AND moment >= make_timestamp(?)"
        rows = _newest(cursor, since, [*which, alert.began])
    told = whys.explain_findings((row.correlation_id or row.flow or "", row.id) for row in rows)
    whys_of = [
        (one.lack.flow, one.lack.instance.finding or one.lack.instance.state, one.why)
        for one in told
    ]
    return summary(whys_of, max(alert.count, len(whys_of)))


def _newest(cursor: duckdb.DuckDBPyConnection, of: str, which: list[object]) -> list[FindingRow]:
    clauses = f"WHERE {of} ORDER BY seq DESC LIMIT {MOST}"
    return [row for row, _ in findings(cursor, clauses, which)]
