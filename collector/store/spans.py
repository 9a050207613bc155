"""Where in the store a correlation ID or a key's value occurs, without an index over every event.

Events are numbered as they are stored. For every run of events one row per value says between
which numbers it occurs; rows are sorted by the value's hash, so that DuckDB reads a small part of
each run. What is not sealed yet is scanned. A span is a hint: the event itself decides.
"""

from collections.abc import Sequence

import duckdb

RUN = 250_000
"""Events that are sealed at once: as many are scanned at most, because they are not yet."""
MERGED = 16
"""Runs that become one."""
NEAR = 100_000
"""Ranges that are no further apart are read as one: DuckDB reads in groups of 122,880 rows."""

Range = tuple[int, int]


class Spans:
    """Seals and merges; called by the writer's thread, within the transaction of a batch."""

    def __init__(self, run: int = RUN) -> None:
        self._run = run
        self._sealed = 0
        """A hint: where the last look found it. What a transaction took back is looked up again."""

    def after(self, cursor: duckdb.DuckDBPyConnection, next_seq: int) -> None:
        """Seals what is complete, now that every number below `next_seq` is stored."""
        if next_seq - self._sealed <= self._run:
            return
        self._sealed = sealed_to(cursor)
        while next_seq - self._sealed > self._run:
            self._seal(cursor, self._sealed + 1, self._sealed + self._run)
            self._sealed += self._run

    def _seal(self, cursor: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
        row = cursor.execute("SELECT coalesce(max(run), 0) + 1 FROM spans").fetchone()
        number = int(row[0]) if row else 1
        cursor.execute(
            # Grouped by the text, since hashing it costs more than all the rest.
            "INSERT INTO spans SELECT md5_number_lower(text) AS hash, lo, hi, ? FROM ("
            "SELECT text, min(seq) AS lo, max(seq) AS hi FROM ("
            "SELECT unnest(correlation_ids || map_values(keys)) AS text, seq FROM events "
            "WHERE seq BETWEEN ? AND ?) GROUP BY text) ORDER BY hash",
            [number, first, last],
        )
        cursor.execute("INSERT OR REPLACE INTO meta VALUES ('spans_sealed', ?)", [str(last)])
        if number % MERGED == 0:
            self._merge(cursor, number - MERGED)

    def _merge(self, cursor: duckdb.DuckDBPyConnection, after: int) -> None:
        """The last runs as one, under the last one's number: fewer places to look at."""
        cursor.execute(
            "CREATE TEMP TABLE merged AS "
            "SELECT hash, lo, hi, max(run) OVER () AS run FROM spans WHERE run > ? ORDER BY hash",
            [after],
        )
        cursor.execute("DELETE FROM spans WHERE run > ?", [after])
        cursor.execute("INSERT INTO spans SELECT * FROM merged ORDER BY hash")
        cursor.execute("DROP TABLE merged")


def sealed_to(cursor: duckdb.DuckDBPyConnection) -> int:
    """The last number that lies in a run."""
    row = cursor.execute("SELECT value FROM meta WHERE key = 'spans_sealed'").fetchone()
    return int(row[0]) if row else 0


def ranges(cursor: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> list[Range]:
    """The numbers between which events with one of these IDs or keys' values are, ascending.

    The last range is what is not sealed; it is without an end.
    """
    found = cursor.execute(
        "SELECT lo, hi FROM spans WHERE hash IN "
        "(SELECT md5_number_lower(unnest(?::VARCHAR[]))) ORDER BY lo",
        [list(texts)],
    ).fetchall()
    merged: list[Range] = []
    for lo, hi in [*found, (sealed_to(cursor) + 1, 2**63 - 1)]:
        if merged and lo <= merged[-1][1] + NEAR:
            merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
        else:
            merged.append((lo, hi))
    return merged
