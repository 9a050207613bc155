"""How many events there are of each minute, without a look at every event.

They are counted a run at a time, as soon as it is complete; what came since is counted when it is
asked for. An event that is deleted is taken off in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from collector.store.notes import note, noted_number
from collector.store.spans import RUN

META_KEY = "minutes_counted"
"""In `meta`: the last number that is in the tables; the rest of the store is counted as it is."""

_COUNTED = {
    "minutes": (
        ("minute", "source", "topic", "name"),
        ("events", "untied", "problems"),
        "SELECT date_trunc('minute', time) AS minute, source, topic, name, count(*) AS events, "
        "count(*) FILTER (len(correlation_ids) = 0) AS untied, "
        "count(*) FILTER (len(problems) > 0) AS problems FROM events WHERE {these} GROUP BY ALL",
    ),
    "problem_minutes": (
        ("minute", "source", "topic", "problem"),
        ("events",),
        "SELECT date_trunc('minute', time) AS minute, source, topic, "
        "split_part(said, ':', 1) AS problem, count(*) AS events "
        "FROM (SELECT time, source, topic, unnest(problems) AS said FROM events WHERE {these}) "
        "GROUP BY ALL",
    ),
}
"""By table: what a row is of, what it counts, and how that is counted from events."""

_SINCE = f"seq > (SELECT coalesce(max(value::BIGINT), 0) FROM meta WHERE key = '{META_KEY}')"
COUNTS_VIEW = (
    "CREATE OR REPLACE VIEW counts AS SELECT minute, source, topic, name, "
    "sum(events)::BIGINT AS events, sum(untied)::BIGINT AS untied, "
    "sum(problems)::BIGINT AS problems FROM (SELECT * FROM minutes UNION ALL "
    f"{_COUNTED['minutes'][2].format(these=_SINCE)}) GROUP BY ALL"
)
"""For people: all minutes, up to the last event."""


@dataclass(frozen=True)
class Totals:
    """Of all that is stored."""

    events: int
    untied: int
    """Without a correlation ID."""
    unnamed: int


@dataclass(frozen=True)
class Sighting:
    """A name as it was seen on a topic. Moments are the minutes (µs) in which that was."""

    topic: str
    name: str
    events: int
    first: int
    last: int
    recent: int
    """Of these events those since the moment that was asked for."""


class Rollups:
    """Counts what is complete; called by the writer's thread, within a batch's transaction."""

    def __init__(self, run: int = RUN) -> None:
        self._run = run
        self._counted = 0
        """A hint, as in `Spans`."""

    def after(self, cursor: duckdb.DuckDBPyConnection, next_seq: int) -> None:
        """Every number below `next_seq` is stored now."""
        if next_seq - self._counted <= self._run:
            return
        self._counted = counted_to(cursor)
        runs = (next_seq - 1 - self._counted) // self._run
        if runs:
            last = self._counted + runs * self._run
            _add(cursor, f"seq BETWEEN {self._counted + 1} AND {last}", 1)
            note(cursor, META_KEY, last)
            self._counted = last


def take_off(cursor: duckdb.DuckDBPyConnection, these: str) -> None:
    """These events are about to be deleted."""
    _add(cursor, f"seq <= {counted_to(cursor)} AND {these}", -1)


def _add(cursor: duckdb.DuckDBPyConnection, these: str, sign: int) -> None:
    """The rows of the minutes that are touched are written anew: there is one for each name."""
    for table, (of, numbers, counted) in _COUNTED.items():
        keys, signed = ", ".join(of), ", ".join(f"{sign} * {name}" for name in numbers)
        sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in numbers)
        touched = "minute IN (SELECT minute FROM counted)"
        cursor.execute(f"CREATE TEMP TABLE counted AS {counted.format(these=these)}")
        cursor.execute(
            f"CREATE TEMP TABLE summed AS SELECT {keys}, {sums} FROM ("
            f"SELECT * FROM {table} WHERE {touched} UNION ALL SELECT {keys}, {signed} FROM counted"
            f") GROUP BY ALL HAVING sum(events) > 0 ORDER BY {keys}"
        )
        cursor.execute(f"DELETE FROM {table} WHERE {touched}")
        cursor.execute(f"INSERT INTO {table} SELECT * FROM summed")
        cursor.execute("DROP TABLE counted")
        cursor.execute("DROP TABLE summed")


def counted_to(cursor: duckdb.DuckDBPyConnection) -> int:
    """The last number that is in the tables."""
    return noted_number(cursor, META_KEY)


def _all(cursor: duckdb.DuckDBPyConnection, table: str) -> str:
    """The rows of the table, and what was not counted yet."""
    # With the number in it: against a subquery all events would be read.
    counted = _COUNTED[table][2].format(these=f"seq > {counted_to(cursor)}")
    return f"(SELECT * FROM {table} UNION ALL {counted})"


def untied_after(
    cursor: duckdb.DuckDBPyConnection, names: Sequence[str], start: int, end: int
) -> int:
    """The number up to which no event with one of these names and of this time (µs) lacks an ID:
    what is counted already tells it without a look at events."""
    some = cursor.execute(
        "SELECT 1 FROM minutes WHERE untied > 0 AND list_contains(?::VARCHAR[], name) AND "
        "minute BETWEEN date_trunc('minute', make_timestamp(?)) AND make_timestamp(?) LIMIT 1",
        [list(names), start, end],
    ).fetchall()
    return 0 if some else counted_to(cursor)


def totals(cursor: duckdb.DuckDBPyConnection) -> Totals:
    ((events, untied, unnamed),) = cursor.execute(
        "SELECT coalesce(sum(events), 0)::BIGINT, coalesce(sum(untied), 0)::BIGINT, "
        "coalesce(sum(events) FILTER (name = ''), 0)::BIGINT "
        f"FROM {_all(cursor, 'minutes')}"
    ).fetchall()
    return Totals(events, untied, unnamed)


@dataclass(frozen=True)
class Pauses:
    """When events came: of how many minutes there are any, and how far these lie apart (µs)."""

    minutes: int
    longest: int
    last: int


def pauses(cursor: duckdb.DuckDBPyConnection, names: Sequence[str]) -> Pauses | None:
    """Of the events with one of these names; None: there is none."""
    ((minutes, longest, last),) = cursor.execute(
        "SELECT count(*), max(pause), max(minute) FROM ("
        "SELECT epoch_us(minute) AS minute, epoch_us(minute) - lag(epoch_us(minute)) "
        f"OVER (ORDER BY minute) AS pause FROM (SELECT DISTINCT minute FROM "
        f"{_all(cursor, 'minutes')} WHERE name IN (SELECT unnest(?::VARCHAR[]))))",
        [list(names)],
    ).fetchall()
    return None if not minutes else Pauses(minutes, longest or 0, last)


def problems(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How often each problem occurs."""
    return dict(
        cursor.execute(
            # While a commit that failed is taken back, a reader may see lists without their values.
            f"SELECT problem, sum(events)::BIGINT FROM {_all(cursor, 'problem_minutes')} "
            "WHERE problem IS NOT NULL GROUP BY problem ORDER BY problem"
        ).fetchall()
    )


def per_minute(
    cursor: duckdb.DuckDBPyConnection,
    since: int,
    until: int,
    by: str | None,
    limit: int,
    skip: int,
) -> Sequence[tuple[int, str | None, int, int, int]]:
    """(minute, which `by`, events, untied, with problems) of minutes that begin in between, µs.

    `by`: `source`, `topic` or `name`; None: all together.
    """
    which = by or "NULL"
    return cursor.execute(
        f"SELECT epoch_us(minute), {which} AS which, sum(events)::BIGINT, sum(untied)::BIGINT, "
        f"sum(problems)::BIGINT FROM {_all(cursor, 'minutes')} "
        "WHERE minute >= make_timestamp(?::BIGINT) AND minute < make_timestamp(?::BIGINT) "
        "GROUP BY minute, which ORDER BY minute, which LIMIT ? OFFSET ?",
        [since, until, limit, skip],
    ).fetchall()


def sightings(
    cursor: duckdb.DuckDBPyConnection, since: int, source: str | None = None
) -> list[Sighting]:
    """Every name that is stored, by topic; `recent` counts from the minute of `since` (µs) on.
    With a `source`, of that one only."""
    rows = cursor.execute(
        "SELECT topic, name, sum(events)::BIGINT, epoch_us(min(minute)), epoch_us(max(minute)), "
        "coalesce(sum(events) FILTER (minute >= date_trunc('minute', make_timestamp(?::BIGINT))), "
        f"0)::BIGINT FROM {_all(cursor, 'minutes')} WHERE source = coalesce(?, source) "
        "GROUP BY topic, name ORDER BY topic, name",
        [since, source],
    ).fetchall()
    return [Sighting(*row) for row in rows]
