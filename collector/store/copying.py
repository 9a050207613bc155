"""Copies of a store while it is written: as it is (a backup), or for anyone's DuckDB (a snapshot).

A copy is of one moment: everything is read in one transaction.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from collector.progress import Report, unwatched
from collector.store import reading
from collector.store.opening import SNAPSHOT_KEY
from collector.store.store import Store
from collector.store.syncing import sync
from collector.store.tables import EVENTS, META_SQL, PAYLOADS, SPANS, Table

ROWS = 20_000
"""Rows that are copied at a time."""
MEMORY = "512MB"
"""The copy's own DuckDB's limit, beside the store's."""


def copy(store: Store, target: Path, *, plain: bool, report: Report = unwatched) -> None:
    """Writes the copy to `target`, which must not exist. `plain`: headers and payloads as columns
    of `events`, so that no reader needs to know of blocks."""
    try:
        with store.reader() as source, duckdb.connect(str(target)) as copied:
            copied.execute(f"SET memory_limit = '{MEMORY}'; SET enable_progress_bar = false")
            copied.execute(META_SQL)
            done, of = 0, _rows(source, store)
            report(done, of)
            for table in store.tables:
                if plain and (table.cache or table in (PAYLOADS, SPANS)):
                    continue
                plainly = plain and table is EVENTS
                copied.execute((PLAIN_EVENTS if plainly else table).create_sql())
                for rows in _plain(source) if plainly else _as_it_is(source, table):
                    copied.register("incoming", rows)
                    copied.execute(f"INSERT INTO {table.name} SELECT * FROM incoming")
                    copied.unregister("incoming")
                    done += rows.num_rows
                    report(done, of)
            for view in store.views:
                copied.execute(view)
            # Last: a copy that was left half-way is no store.
            meta = source.execute("SELECT key, value FROM meta").fetchall()
            if plain:
                meta.append((SNAPSHOT_KEY, "true"))
            copied.executemany("INSERT INTO meta VALUES (?, ?)", meta)
            copied.execute("CHECKPOINT")
            report(of, of)
        sync(target)
    except BaseException:
        target.unlink(missing_ok=True)
        target.with_name(target.name + ".wal").unlink(missing_ok=True)
        raise


def _plain_columns() -> dict[str, str]:
    columns: dict[str, str] = {}
    for name, kind in EVENTS.columns.items():
        if name == "block":
            continue
        columns[name] = kind
        if name == "key":
            columns |= {"headers": "VARCHAR", "payload": "VARCHAR"}
    return columns


PLAIN_EVENTS = Table(EVENTS.name, EVENTS.row, _plain_columns())


def _rows(source: duckdb.DuckDBPyConnection, store: Store) -> int:
    # To its end: an answer that was not read up keeps the connection from other work.
    counts = [source.execute(f"SELECT count(*) FROM {t.name}").fetchall() for t in store.tables]
    return sum(count for ((count,),) in counts)


def _as_it_is(source: duckdb.DuckDBPyConnection, table: Table) -> Iterator[pa.Table]:
    if table is SPANS:
        # In the order in which they lie: they are sorted within their runs.
        for rows in _in_parts(
            source, f"(SELECT rowid AS place, * FROM {table.name})", "place", ROWS
        ):
            yield rows.drop_columns(["place"])
        return
    key = next((name for name in ("seq", "block") if name in table.columns), None)
    if key is None:
        yield _arrow(source, f"SELECT * FROM {table.name}")
        return
    # Blocks are large: few of them at a time.
    rows = ROWS // 64 if table is PAYLOADS else ROWS
    yield from _in_parts(source, table.name, key, rows)


def _plain(source: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
    for table in _in_parts(source, EVENTS.name, "seq", ROWS):
        places = zip(table["block"].to_pylist(), table["seq"].to_pylist(), strict=True)
        found = reading.beside(source, list(places))
        headers = pa.array([headers for headers, _ in found], pa.string())
        payloads = pa.array([payload for _, payload in found], pa.string())
        table = table.append_column("headers", headers).append_column("payload", payloads)
        yield table.select(list(PLAIN_EVENTS.columns))


def _in_parts(
    source: duckdb.DuckDBPyConnection, table: str, key: str, rows: int
) -> Iterator[pa.Table]:
    """All rows in the order of a unique column, so many at a time."""
    last = -1
    while True:
        query = f"SELECT * FROM {table} WHERE {key} > {last} ORDER BY {key} LIMIT {rows}"
        found = _arrow(source, query)
        if not found.num_rows:
            return
        yield found
        last = found[key][found.num_rows - 1].as_py()


def _arrow(source: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    found: pa.Table = source.sql(query).to_arrow_table()
    return found
