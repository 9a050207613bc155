"""Expectations that have had nothing to judge for longer than is usual for them."""

from collections.abc import Iterator

import duckdb

from analyzer.rules.ruleset import RuleSet
from analyzer.rules.sighted import activating
from collector.store.rollups import Pauses, pauses
from collector.times import US_PER_S, format_duration, format_time

LEAST = 15 * 60 * US_PER_S
"""Nothing is unusual that is shorter."""
TIMES = 3
"""So many times the longest pause that was ever seen."""
ENOUGH = 20
"""In fewer minutes with something to judge, nobody knows what is usual."""


def unusually_silent(
    cursor: duckdb.DuckDBPyConnection, rules: RuleSet, now: int
) -> Iterator[tuple[str, str, str]]:
    """(flow type, expectation, why); from the counts by minute, never from the events."""
    # Many expectations are brought to bear by the same events.
    known: dict[frozenset[str], Pauses | None] = {}
    for file in rules.files:
        for one in file.expectations():
            names = file.stored_names(activating(file, one))
            if not names:
                continue  # it looks at whatever comes
            if names not in known:
                known[names] = pauses(cursor, sorted(names))
            found = known[names]
            if found is None or found.minutes < ENOUGH:
                continue
            silence = now - found.last
            if silence > max(LEAST, TIMES * found.longest):
                yield (
                    file.flow,
                    one.options.name,
                    (
                        f"nothing to judge since {format_time(found.last)}; the longest pause in "
                        f"what is stored was {format_duration(found.longest)}"
                    ),
                )
