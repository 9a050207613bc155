"""A flow taken out of the store, so that its bytes are no longer in the file.

DuckDB leaves what was deleted in the file for an unknown time: so the file is written anew.
"""

import os
from collections.abc import Callable

import duckdb

from collector.progress import Report, unwatched
from collector.store import retention
from collector.store.copying import copy
from collector.store.store import Store
from collector.store.syncing import sync

Also = Callable[[duckdb.DuckDBPyConnection, str], None]


def forget(
    store: Store,
    flow: str,
    report: Report = unwatched,
    also: Also = lambda connection, flow: None,
) -> int:
    """Its events with all they carry; how many. `also` takes it out of what others keep there.

    Closes the store. Until the new file is whole, the old one stays where it is.
    """
    path = store.path
    coming = path.with_name(path.name + ".forgetting")
    coming.unlink(missing_ok=True)
    try:
        gone: int = store.submit(lambda c: _delete(c, flow, also)).result()
        copy(store, coming, plain=False, report=report)
    finally:
        store.close()
    # Closing took the log in; one that is left over belongs to the old file.
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    os.replace(coming, path)  # noqa: PTH105  # the one call that is atomic
    sync(path)
    return gone


def _delete(connection: duckdb.DuckDBPyConnection, flow: str, also: Also) -> int:
    rows = connection.execute(
        "SELECT seq FROM events WHERE list_contains(correlation_ids, ?)", [flow]
    ).fetchall()
    if rows:
        retention.delete(connection, [row[0] for row in rows])
    also(connection, flow)
    return len(rows)
