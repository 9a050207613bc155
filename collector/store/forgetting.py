"""A flow taken out of the store, so that its bytes are no longer in the file.

DuckDB leaves what was deleted in the file for an unknown time: so the file is written anew.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from collector.progress import Report, unwatched
from collector.store import retention
from collector.store.copying import copy
from collector.store.store import Store
from collector.store.syncing import sync
from collector.store.tied import Whole, keep_common, whole_flow

Also = Callable[[duckdb.DuckDBPyConnection, str], None]


@dataclass(frozen=True)
class Forgotten:
    """What was taken out: all the correlation IDs of the flow, and how many events."""

    ids: tuple[str, ...]
    events: int


def forget(
    store: Store,
    flow: str,
    report: Report = unwatched,
    also: Also = lambda connection, flow: None,
) -> Forgotten:
    """Its events with all they carry, under whichever of its correlation IDs, and those that keys
    tie to it. `also` takes each ID out of what others keep there.

    Closes the store. Until the new file is whole, the old one stays where it is.
    """
    path = store.path
    coming = path.with_name(path.name + ".forgetting")
    coming.unlink(missing_ok=True)
    try:
        whole = whole_flow(store, flow)
        store.submit(lambda c: _delete(c, whole, also)).result()
        copy(store, coming, plain=False, report=report)
    finally:
        store.close()
    # Closing took the log in; one that is left over belongs to the old file.
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    os.replace(coming, path)  # noqa: PTH105  # the one call that is atomic
    sync(path)
    return Forgotten(tuple(whole.ids), len(whole.seqs))


def _delete(connection: duckdb.DuckDBPyConnection, whole: Whole, also: Also) -> None:
    if whole.seqs:
        retention.delete(connection, whole.seqs)
    if whole.common:
        keep_common(connection, whole.common)
    for id in whole.ids:
        also(connection, id)
