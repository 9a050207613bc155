"""Why the findings of an alert are there: each flow's reason, counted."""

from analyzer.alerts.rows import AlertRow
from analyzer.reading import findings
from analyzer.rules.ruleset import RuleSet
from analyzer.tables import FindingRow
from analyzer.why.summary import Reasons, summary
from ui.flow_queries import FlowReader
from ui.whose_alert import of_alert
from ui.why_queries import WhyReader

MOST = 300
"""So many findings are looked at, the newest."""


def reasons(reader: FlowReader, rules: RuleSet, alert: AlertRow) -> Reasons | None:
    """Of those that are open; or, where it fires on for others to hear of it, of those that were.
    None where they are about no flows, or nothing is there that could have a reason."""
    of, which = of_alert(reader.cursor, rules, alert)
    of += " AND flow IS NOT NULL"
    rows = _newest(reader, f"{of} AND state = 'open'", which)
    if not rows and alert.state != "resolved":
        since = f"{of} AND state = 'closed' AND moment >= make_timestamp(?)"
        rows = _newest(reader, since, [*which, alert.began])
    told = WhyReader(reader, rules).explain_findings(
        (row.correlation_id or row.flow or "", row.id) for row in rows
    )
    whys = [
        (one.lack.flow, one.lack.instance.finding or one.lack.instance.state, one.why)
        for one in told
    ]
    return summary(whys, max(alert.count, len(whys)))


def _newest(reader: FlowReader, of: str, which: list[object]) -> list[FindingRow]:
    clauses = f"WHERE {of} ORDER BY seq DESC LIMIT {MOST}"
    return [row for row, _ in findings(reader.cursor, clauses, which)]
