"""What the store notes of itself: in `meta`, a value by its key."""

import duckdb


def noted(cursor: duckdb.DuckDBPyConnection, key: str) -> str | None:
    # To its end: an answer that was not read up keeps the writer from its next work.
    rows = cursor.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchall()
    return str(rows[0][0]) if rows else None


def noted_number(cursor: duckdb.DuckDBPyConnection, key: str) -> int:
    """0 where nothing is noted yet."""
    return int(noted(cursor, key) or 0)
