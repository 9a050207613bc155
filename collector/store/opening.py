"""Opening a store's file: whose it is, of which version, and what of it has to be made."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from collector.errors import StoreError
from collector.store.notes import note, noted
from collector.store.tables import META_SQL, SCHEMA_VERSION

SNAPSHOT_KEY = "snapshot"
"""In `meta` of a copy that was made for reading: no store to go on with."""

MADE_KEY = "made"
"""In `meta`: by which words its tables and views were made. They are not made again by the same
words: a start that writes nothing wants no room on the disk."""


def opened(path: Path, memory: str, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    if read_only and not path.exists():
        raise StoreError(f"no store at {path}: start `nonevent run`, or name another with --store")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(
            str(path),
            read_only=read_only,
            config={
                "memory_limit": memory,
                # The writer does it, between transactions.
                "checkpoint_threshold": "1TB",
                "preserve_insertion_order": "true",
                # Tidying merges groups of rows, and so writes the largest table again and again:
                # it is done where something was deleted, and nowhere else.
                "max_vacuum_tasks": 0,
                "autoinstall_known_extensions": "false",
            },
        )
    except duckdb.IOException as error:
        if is_full(error):
            raise _without_room(path) from error
        raise StoreError(
            f"{path} cannot be opened: {error}. If a nonevent is running on it, ask that one: "
            "its address is in --url or in the configuration's http.listen"
        ) from error
    except duckdb.Error as error:
        raise StoreError(f"{path} is not a store that can be read: {error}") from error
    connection.execute("SET enable_progress_bar = false")
    return connection


def version(
    connection: duckdb.DuckDBPyConnection, path: Path, *, new: bool, snapshots: bool
) -> int:
    """The schema's version, if this nonevent can read it or make today's of it. `new`: a file that
    holds nothing will do; `snapshots`: a copy for reading, too."""
    try:
        found = noted(connection, "schema_version")
        snapshot = noted(connection, SNAPSHOT_KEY)
    except duckdb.CatalogException:
        found, snapshot = str(SCHEMA_VERSION) if new else None, None
    if snapshot is not None and not snapshots:
        connection.close()
        raise StoreError(
            f"{path} is a snapshot, for any DuckDB to read: nonevent goes on with a "
            "backup (`nonevent backup`, `nonevent restore`)"
        )
    if found is None or not found.isdecimal() or not 1 <= int(found) <= SCHEMA_VERSION:
        connection.close()
        raise StoreError(
            f"{path} holds schema version {found or 'none'}, this nonevent reads "
            f"{SCHEMA_VERSION}: use the nonevent that wrote it, or another file"
        )
    return int(found)


def make(connection: duckdb.DuckDBPyConnection, path: Path, tables: Sequence[str]) -> None:
    """Makes what these words say, if it was not made by the same ones."""
    words = [META_SQL, *tables]
    made = hashlib.blake2b("\n".join(words).encode(), digest_size=8).hexdigest()
    with suppress(duckdb.CatalogException):
        if noted(connection, MADE_KEY) == made:
            return
    try:
        connection.execute("BEGIN")
        for one in words:
            connection.execute(one)
        connection.execute(
            "INSERT OR IGNORE INTO meta VALUES ('schema_version', ?)", [str(SCHEMA_VERSION)]
        )
        note(connection, MADE_KEY, made)
        connection.execute("COMMIT")
    except duckdb.Error as error:
        connection.close()
        if is_full(error):
            raise _without_room(path) from error
        raise


def is_full(error: BaseException) -> bool:
    text = str(error)
    return "No space left" in text or "File too large" in text or "disk is full" in text.lower()


def _without_room(path: Path) -> StoreError:
    return StoreError(f"{path}: no room on the disk: make room, and start again")
