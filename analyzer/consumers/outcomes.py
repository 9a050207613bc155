"""What came of the events that declared services take in, from the newest that are stored."""

from collections.abc import Mapping

import duckdb

from analyzer.consumers.course import Outcome
from analyzer.rules.ruleset import RuleFile, RuleSet
from collector.consumers.observation import Place

NEWEST = 100_000
"""Among so many of the newest events it is looked."""

Of = tuple[str, str, Place]
"""Source, group, partition."""

_OUTCOMES = """
WITH newest AS (
    SELECT source, topic, "partition", "offset", epoch_us(time) AS time, name, correlation_ids
    FROM events WHERE seq > (SELECT max(seq) FROM events) - ?
), came AS (
    SELECT unnest(correlation_ids) AS flow, max(time) AS last FROM newest
    WHERE name IN (SELECT unnest(?::VARCHAR[])) GROUP BY flow
), taken AS (
    SELECT source, topic, "partition", "offset", time, unnest(correlation_ids) AS flow FROM newest
    WHERE name IN (SELECT unnest(?::VARCHAR[]))
)
SELECT source, topic, "partition", "offset", any_value(taken.time),
    bool_or(coalesce(last >= taken.time, false))
FROM taken LEFT JOIN came USING (flow)
GROUP BY source, topic, "partition", "offset" ORDER BY "offset"
"""


def outcomes(cursor: duckdb.DuckDBPyConnection, rules: RuleSet) -> Mapping[Of, list[Outcome]]:
    """By group and partition; nothing of what is no service's, or brings nothing out."""
    found: dict[Of, list[Outcome]] = {}
    for file in rules.files:
        for service in file.services:
            emits, consumes = _stored(file, service.emits), _stored(file, service.consumes)
            if not emits or not consumes:
                continue
            rows = cursor.execute(_OUTCOMES, [NEWEST, emits, consumes]).fetchall()
            for source, topic, partition, offset, time, answered in rows:
                for group in service.groups:
                    of = source, group, Place(topic, partition)
                    found.setdefault(of, []).append(Outcome(offset, time, answered))
    return found


def _stored(file: RuleFile, names: tuple[str, ...]) -> list[str]:
    """What these events are called where they are stored; nothing where only more could tell."""
    simple = file.naming is None or all(file.naming.meaning(name) is None for name in names)
    return list(names) if simple else []
