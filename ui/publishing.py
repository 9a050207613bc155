"""How long after they happened a source's events are published, and whether `grace` covers it."""

import duckdb

from analyzer.covering import least_grace, not_covered
from analyzer.rules.ruleset import RuleSet
from collector.sources.condition import Condition
from collector.store.rollups import sightings
from collector.times import US_PER_S
from ui.models import PublishedAfter


def published_after(
    cursor: duckdb.DuckDBPyConnection, rules: RuleSet, grace: int, condition: Condition
) -> list[PublishedAfter] | None:
    """By topic, those where it is so; None where the tap cannot tell. `grace` (µs) is that of
    expectations that set none."""
    told = condition.published_after
    if told is None:
        return None
    # Mostly every grace covers it, and who awaits what need not be asked.
    more = {topic for topic, later in told.items() if later > least_grace(rules, grace)}
    seen = sightings(cursor, 0) if more else []
    found = []
    for topic, later in sorted(told.items()):
        here = [one for one in seen if one.topic == topic]
        short = not_covered(rules, grace, later, here)
        found.append(
            PublishedAfter(
                topic=topic,
                seconds=later / US_PER_S,
                grace_seconds=min(short.values()) / US_PER_S if short else None,
                not_covered=[f"{type}: {name}" for type, name in short],
            )
        )
    return found
