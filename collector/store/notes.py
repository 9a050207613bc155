"""What the store notes of itself: in `meta`, a value by its key."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

_read: dict[int, dict[str, str]] = {}
"""All notes, by the cursor whose transaction sees them: as soon as the first was asked for."""


@contextmanager
def unchanging(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Within a reader's transaction: a few values are asked for again and again, and a statement
    of its own for each would take longer than reading all that there are."""
    _read[id(cursor)] = {}
    try:
        yield
    finally:
        del _read[id(cursor)]


def noted(cursor: duckdb.DuckDBPyConnection, key: str) -> str | None:
    notes = _read.get(id(cursor))
    if notes is None:
        # To its end: an answer that was not read up keeps the writer from its next work.
        rows = cursor.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchall()
        return str(rows[0][0]) if rows else None
    if not notes:
        notes.update(cursor.execute("SELECT key, value FROM meta").fetchall())
    return notes.get(key)


def note(cursor: duckdb.DuckDBPyConnection, key: str, value: object) -> None:
    """For the writer."""
    cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, str(value)])


def noted_number(cursor: duckdb.DuckDBPyConnection, key: str) -> int:
    """0 where nothing is noted yet."""
    return int(noted(cursor, key) or 0)
