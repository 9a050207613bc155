"""What was observed of consumers, read back from the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb
from msgspec.structs import replace

from collector.consumers.history import NEWEST_WITHIN
from collector.consumers.observation import (
    NEVER_LOOKED,
    CommitRow,
    EndRow,
    GroupRow,
    Known,
    WatchRow,
)
from collector.store.tables import COMMITS, ENDS, GROUPS, WATCHES, Table
from collector.times import US_PER_S

Row = TypeVar("Row", GroupRow, CommitRow, EndRow, WatchRow)

ENDS_FOR = 86_400 * US_PER_S
"""Of so long ends are read back: what waits for longer waits at least that long."""


def watches(cursor: duckdb.DuckDBPyConnection) -> list[WatchRow]:
    found = rows(cursor, WATCHES, WatchRow, "ORDER BY source", ())
    return [replace(one, groups=tuple(one.groups)) for one in found]


def watch_only(connection: duckdb.DuckDBPyConnection, wanted: Sequence[WatchRow]) -> None:
    """Other sources are not watched any more; those that are new will be."""
    known = {row.source: row for row in watches(connection)}
    rows = [
        row
        if (before := known.get(row.source)) is None or before.groups != row.groups
        else replace(before, every=row.every)
        for row in wanted
    ]
    connection.execute(f"DELETE FROM {WATCHES.name}")
    for row in rows:
        connection.execute(
            f"INSERT INTO {WATCHES.name} VALUES (?, make_timestamp(?), make_timestamp(?), ?, ?, ?)",
            [row.source, row.began, row.moment, row.every, list(row.groups), row.why],
        )


def groups(
    cursor: duckdb.DuckDBPyConnection, clauses: str = "", parameters: Sequence[object] = ()
) -> list[GroupRow]:
    """In the order of time."""
    return rows(cursor, GROUPS, GroupRow, f"{clauses} ORDER BY moment", parameters)


def commits(
    cursor: duckdb.DuckDBPyConnection, clauses: str = "", parameters: Sequence[object] = ()
) -> list[CommitRow]:
    return rows(cursor, COMMITS, CommitRow, f"{clauses} ORDER BY moment", parameters)


def anybody_commits(cursor: duckdb.DuckDBPyConnection) -> bool:
    return bool(cursor.execute(f"SELECT 1 FROM {COMMITS.name} LIMIT 1").fetchall())


def ends(
    cursor: duckdb.DuckDBPyConnection, clauses: str = "", parameters: Sequence[object] = ()
) -> list[EndRow]:
    return rows(cursor, ENDS, EndRow, f"{clauses} ORDER BY moment", parameters)


@dataclass(frozen=True)
class Observed:
    """In the order of time."""

    groups: list[GroupRow]
    commits: list[CommitRow]
    ends: list[EndRow]


def lately(
    cursor: duckdb.DuckDBPyConnection, watches: Sequence[WatchRow], group: str | None = None
) -> Observed:
    """So much that it tells how each consumer stands, and how it came to it."""
    since = min((one.moment for one in watches), default=0) - NEWEST_WITHIN
    clause, of_group = "WHERE moment >= make_timestamp(?)", ""
    parameters: list[object] = [since]
    if group is not None:
        of_group = ' AND "group" = ?'
        parameters.append(group)
    return Observed(
        groups(cursor, clause + of_group, parameters),
        commits(cursor, clause + of_group, parameters),
        ends(cursor, clause, [since]),
    )


def since(cursor: duckdb.DuckDBPyConnection, moment: int, group: str) -> Observed:
    """What was observed of a group since then."""
    clause, of_group = "WHERE moment >= make_timestamp(?)", ' AND "group" = ?'
    return Observed(
        groups(cursor, clause + of_group, (moment, group)),
        commits(cursor, clause + of_group, (moment, group)),
        ends(cursor, clause, (moment,)),
    )


def last_commit(cursor: duckdb.DuckDBPyConnection, group: str) -> int | None:
    """When the newest of a group's commits that are kept was seen; None: none is."""
    found = commits(cursor, 'WHERE "group" = ? AND committed IS NOT NULL', (group,))
    return found[-1].since if found else None


def known(cursor: duckdb.DuckDBPyConnection, source: str) -> Known:
    """How it stood at the last look, for going on from there."""
    watch = next((one for one in watches(cursor) if one.source == source), None)
    if watch is None or watch.moment == NEVER_LOOKED:
        return Known()
    since = watch.moment - NEWEST_WITHIN
    of_source = "WHERE source = ? AND moment >= make_timestamp(?)"
    newest = "QUALIFY row_number() OVER (PARTITION BY {} ORDER BY moment DESC) = 1"
    of_group, of_place = '"group"', "topic, partition"
    some_ends = (
        f"{of_source} QUALIFY row_number() OVER (PARTITION BY {of_place}, "
        "time_bucket(INTERVAL 144 SECONDS, moment) ORDER BY moment DESC) = 1"
    )
    return Known(
        watch,
        tuple(groups(cursor, f"{of_source} {newest.format(of_group)}", (source, since))),
        tuple(
            commits(
                cursor, f"{of_source} {newest.format(of_group + ', ' + of_place)}", (source, since)
            )
        ),
        tuple(ends(cursor, some_ends, (source, watch.moment - ENDS_FOR))),
    )


def rows(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    row: type[Row],
    clauses: str,
    parameters: Sequence[object],
) -> list[Row]:
    """Times come as µs: making datetimes would cost more than all that is done with them."""
    found: list[tuple[Any, ...]] = cursor.execute(
        f"SELECT {table.selected()} FROM {table.name} {clauses}", list(parameters)
    ).fetchall()
    return [row(*one) for one in found]
