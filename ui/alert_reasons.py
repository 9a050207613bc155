"""Why the findings of an alert are there: each flow's reason, counted."""

import duckdb

from analyzer.alerts.rows import AlertRow
from analyzer.rules.ruleset import RuleSet
from analyzer.why.summary import Reasons, summary
from ui.whose_alert import of_alert
from ui.why_queries import WhyReader

MOST = 300
"""So many findings are looked at, the newest."""
MOST_AT_ONCE = 100
"""And where people wait to be told at all."""


def reasons(
    cursor: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    whys: WhyReader,
    alert: AlertRow,
    *,
    at_once: bool,
) -> Reasons | None:
    """Of those that are open; or, where it fires on for others to hear of it, of those that were.
    None where they are about no flows, or nothing is there that could have a reason."""
    of, which = of_alert(cursor, rules, alert)
    most = MOST_AT_ONCE if at_once else MOST
    found = _newest(cursor, alert, f"{of} AND state = 'open'", which, most)
    if not found and alert.state != "resolved":
        since = f"{of} AND state = 'closed' AND moment >= make_timestamp(?)"
        found = _newest(cursor, alert, since, [*which, alert.began], most)
    told = whys.explain_findings(found)
    whys_of = [
        (one.lack.flow, one.lack.instance.finding or one.lack.instance.state, one.why)
        for one in told
    ]
    return summary(whys_of, max(alert.count, len(whys_of)))


def _newest(
    cursor: duckdb.DuckDBPyConnection, alert: AlertRow, of: str, which: list[object], most: int
) -> list[tuple[str, str]]:
    """Of the findings that are so as they stand, the newest: flow and id."""
    return cursor.execute(
        f"SELECT coalesce(correlation_id, flow), id FROM finding_log WHERE {of} "
        "AND flow IS NOT NULL AND seq IN (SELECT max(seq) FROM finding_log "
        f"WHERE type = ? AND expectation = ? GROUP BY id) ORDER BY seq DESC LIMIT {most}",
        [*which, alert.type, alert.expectation],
    ).fetchall()
