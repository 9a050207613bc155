"""Events, offsets and gaps read back from the store as the structs that were written."""

from collections.abc import Container, Iterator, Sequence
from typing import Any, TypeVar

import duckdb

from collector.batch import Gap, PartitionState
from collector.event import Event
from collector.store.blocks import Block, unpack
from collector.store.spans import numbers
from collector.store.tables import Taken

Row = TypeVar("Row", PartitionState, Gap)

# TIMESTAMPs leave the database as µs: building datetime objects costs more than judging them.
EVENT_COLUMNS = (
    'source, topic, topic_id, partition, "offset", epoch_us(time), epoch_us(arrival), name, '
    "correlation_ids, id, keys, key, encoding, problems, seq, block"
)
CHUNK = 10_000
AT_ONCE = 50
"""Numbers. Of so many DuckDB reads the groups of rows that hold them; of more, all groups from the
first to the last."""
NEAR = 1_000_000
"""So many events are read sooner than a statement more is planned."""
LATEST = 250_000_000_000_000_000
"""µs: a moment that DuckDB's calendar still holds, and no event's."""


def events(
    cursor: duckdb.DuckDBPyConnection,
    clauses: str = "",
    parameters: Sequence[object] = (),
    read: Container[str] | None = None,
) -> list[Event]:
    """Events, selected and ordered by `clauses` (WHERE …, ORDER BY …).

    `read`: the names whose headers and payloads are wanted; None: all. They cost the most.
    """
    query = f"SELECT {EVENT_COLUMNS} FROM events {clauses}"
    return _made(cursor, cursor.execute(query, list(parameters)).fetchall(), read)


def _made(
    cursor: duckdb.DuckDBPyConnection,
    rows: Sequence[tuple[Any, ...]],
    read: Container[str] | None = None,
) -> list[Event]:
    if read is not None:
        rows = [row if row[7] in read else (*row[:15], None) for row in rows]
    blocks = _blocks(cursor, {row[15] for row in rows})
    return [
        Event(
            row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], tuple(row[8]),
            row[9], tuple(row[10].items()), row[11], *_beside(blocks, row[15], row[14]),
            row[12], tuple(row[13]), row[14],
        )
        for row in rows
    ]  # fmt: skip


def events_between(
    connection: duckdb.DuckDBPyConnection,
    names: Sequence[str] | None,
    start: int,
    end: int,
    *,
    whole: bool,
) -> Iterator[Event]:
    """The events with these names (None: all) from `start` to before `end`, in order, some
    thousands at a time; with headers and payloads where `whole`."""
    named = "" if names is None else "AND name IN (SELECT unnest(?::VARCHAR[]))"
    rows, beside = connection.cursor(), connection.cursor()
    try:
        rows.execute(
            f"SELECT {EVENT_COLUMNS} FROM events WHERE time >= make_timestamp(?) "
            f"AND time < make_timestamp(?) {named} "
            'ORDER BY time, source, topic, partition, "offset"',
            [start, min(end, LATEST), *([] if names is None else [list(names)])],
        )
        while some := rows.fetchmany(CHUNK):
            yield from _made(beside, some, None if whole else ())
    finally:
        rows.close()
        beside.close()


def all_events(
    cursor: duckdb.DuckDBPyConnection, read: Container[str] | None = None, after: int = 0
) -> Iterator[list[Event]]:
    """Every event beyond this number in the order of storing, some thousands at a time. Of a
    snapshot, too: there headers and payloads lie beside them."""
    names = cursor.execute("SELECT * FROM events LIMIT 0").description or ()
    some = events if any(column[0] == "block" for column in names) else _plain_events
    row = cursor.execute("SELECT min(seq), max(seq) FROM events WHERE seq > ?", [after]).fetchone()
    if row is None or row[0] is None:
        return
    for start in range(row[0], row[1] + 1, CHUNK):
        found = [start, start + CHUNK - 1]
        yield some(cursor, "WHERE seq BETWEEN ? AND ? ORDER BY seq", found, read)


def _plain_events(
    cursor: duckdb.DuckDBPyConnection,
    clauses: str,
    parameters: Sequence[object],
    read: Container[str] | None,
) -> list[Event]:
    columns = EVENT_COLUMNS.replace("block", "headers, payload")
    rows = cursor.execute(f"SELECT {columns} FROM events {clauses}", list(parameters)).fetchall()
    return [
        Event(
            row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], tuple(row[8]),
            row[9], tuple(row[10].items()), row[11],
            *_wanted(row[15], row[16], read is None or row[7] in read),
            row[12], tuple(row[13]), row[14],
        )
        for row in rows
    ]  # fmt: skip


def _wanted(headers: str, payload: str | None, wanted: bool) -> tuple[str, str | None]:
    return (headers, payload) if wanted else ("[]", None)


def first_seq(cursor: duckdb.DuckDBPyConnection) -> int:
    """The number of the oldest event that is stored."""
    ((first,),) = cursor.execute("SELECT coalesce(min(seq), 0) FROM events").fetchall()
    return int(first)


def last_seq(cursor: duckdb.DuckDBPyConnection) -> int:
    """The number of the newest event that is stored."""
    ((last,),) = cursor.execute("SELECT coalesce(max(seq), 0) FROM events").fetchall()
    return int(last)


def counts_by_id(
    cursor: duckdb.DuckDBPyConnection,
    names: Sequence[str] | None,
    last: int,
    *,
    alone: bool = False,
) -> Iterator[tuple[str, int, int]]:
    """By correlation ID how many events up to this number have one of the names (None: any), and
    how many do not; `alone`: of those that have no other."""
    named = "true" if names is None else "list_contains(?::VARCHAR[], name)"
    found = cursor.execute(
        "SELECT flow, count(*) FILTER (named), count(*) FILTER (NOT named) FROM "
        f"(SELECT unnest(correlation_ids) AS flow, {named} AS named FROM events WHERE seq <= ? "
        f"{'AND len(correlation_ids) = 1' if alone else ''}) GROUP BY flow",
        [*([] if names is None else [list(names)]), last],
    )
    while rows := found.fetchmany(CHUNK):
        yield from rows


def _blocks(cursor: duckdb.DuckDBPyConnection, named: set[int | None]) -> dict[int, Block]:
    """The blocks that begin with these numbers."""
    wanted = {block for block in named if block is not None}
    if not wanted:
        return {}
    found = cursor.execute(
        "SELECT block, data FROM payloads WHERE block BETWEEN ? AND ? "
        "AND block IN (SELECT unnest(?::BIGINT[]))",
        [min(wanted), max(wanted), list(wanted)],
    )
    return {block: unpack(data) for block, data in found.fetchall()}


def beside(
    cursor: duckdb.DuckDBPyConnection, places: Sequence[tuple[int | None, int]]
) -> list[tuple[str, str | None]]:
    """Headers and payload of each (block, seq)."""
    blocks = _blocks(cursor, {block for block, _ in places})
    return [_beside(blocks, block, seq) for block, seq in places]


def _beside(blocks: dict[int, Block], block: int | None, seq: int) -> tuple[str, str | None]:
    """An event's headers and payload; of an old event of an open flow they may be gone."""
    if block is None:
        return "[]", None
    headers, payloads = blocks[block]
    return headers[seq - block], payloads[seq - block]


THESE = "seq BETWEEN ? AND ? AND seq IN (SELECT unnest(?::BIGINT[]))"
"""The condition of events with the numbers that `these` gives: bounds spare most of the scan."""


def these(seqs: Sequence[int]) -> list[object]:
    return [min(seqs, default=0), max(seqs, default=0), list(seqs)]


def events_at(
    cursor: duckdb.DuckDBPyConnection, seqs: Sequence[int], read: Container[str] | None = None
) -> list[Event]:
    """The events with these numbers, in their order, as far as they are stored still."""
    return [
        event
        for some in not_far_apart(sorted(seqs))
        for event in events(cursor, f"WHERE {THESE}", these(some), read)
    ]


def not_far_apart(seqs: Sequence[int]) -> Iterator[Sequence[int]]:
    """In pieces, for as many statements, where one would read all that lies between them."""
    first = 0
    for number, seq in enumerate(seqs):
        if number - first >= AT_ONCE and seq - seqs[first] > NEAR:
            yield seqs[first:number]
            first = number
    if seqs:
        yield seqs[first:]


def events_of_flows(
    cursor: duckdb.DuckDBPyConnection, flows: Sequence[str], read: Container[str] | None = None
) -> dict[str, list[Event]]:
    """The events of some flows; an event that carries several IDs is in each of theirs."""
    found: dict[str, list[Event]] = {flow: [] for flow in flows}
    for event in events_at(cursor, numbers(cursor, ids=flows), read):
        for flow in event.correlation_ids:
            if flow in found:
                found[flow].append(event)
    return found


def known_ids(
    cursor: duckdb.DuckDBPyConnection, seqs: Sequence[int], ids: Sequence[str]
) -> set[str]:
    """Those of these IDs that an event with one of these numbers has."""
    if not seqs:
        return set()
    rows = cursor.execute(
        "SELECT DISTINCT id FROM (SELECT unnest(correlation_ids) AS id FROM events "
        f"WHERE {THESE}) WHERE id IN (SELECT unnest(?::VARCHAR[]))",
        [*these(seqs), list(ids)],
    ).fetchall()
    return {id for (id,) in rows}


def flows_between(
    cursor: duckdb.DuckDBPyConnection, low: int, top: int, text: str | None = None
) -> list[tuple[int, str]]:
    """(newest event, flow) of the events with these numbers, the newest first.

    `text`: only flows whose ID holds it.
    """
    holds, parameters = ("", []) if text is None else ("WHERE contains(flow, ?)", [text])
    return cursor.execute(
        "SELECT max(seq) AS last, flow FROM (SELECT seq, unnest(correlation_ids) AS flow "
        f"FROM events WHERE seq BETWEEN ? AND ?) {holds} GROUP BY flow ORDER BY last DESC, flow",
        [low, top, *parameters],
    ).fetchall()


def flows_of_key(
    cursor: duckdb.DuckDBPyConnection, seqs: Sequence[int], value: str, limit: int = 1_000
) -> list[str]:
    """The flows of those events with these numbers that have a key of this value."""
    rows = cursor.execute(
        f"SELECT DISTINCT unnest(correlation_ids) FROM events WHERE {THESE} "
        "AND list_contains(map_values(keys), ?)",
        [*these(seqs), value],
    ).fetchall()
    return sorted(flow for (flow,) in rows)[:limit]


def taken(cursor: duckdb.DuckDBPyConnection) -> list[Taken]:
    """What retention has deleted, in the order of its doing so."""
    rows = cursor.execute("SELECT moment, to_time FROM taken").fetchall()
    return [Taken(*row) for row in sorted(rows)]


def partitions(cursor: duckdb.DuckDBPyConnection) -> list[PartitionState]:
    return _structs(cursor, "partitions", PartitionState)


def gaps(cursor: duckdb.DuckDBPyConnection) -> list[Gap]:
    return _structs(cursor, "gaps", Gap)


def _structs(cursor: duckdb.DuckDBPyConnection, table: str, row_type: type[Row]) -> list[Row]:
    """A small table whose columns are the fields of a struct."""
    result = cursor.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in result.description or ()]
    found = []
    for row in result.fetchall():
        plain = (tuple(value) if isinstance(value, list) else value for value in row)
        fields: dict[str, Any] = dict(zip(names, plain, strict=True))
        found.append(row_type(**fields))
    return sorted(found, key=lambda row: (row.source, row.topic, row.partition))


def unseen(cursor: duckdb.DuckDBPyConnection, candidates: Sequence[Event]) -> list[Event]:
    """Those whose position is not stored yet; of equal positions the first."""
    first = {(e.source, e.topic_id, e.partition, e.offset): e for e in reversed(candidates)}
    sources = list({e.source for e in candidates})
    offsets = [e.offset for e in candidates]
    known = cursor.execute(
        'SELECT source, topic_id, partition, "offset" FROM events '
        'WHERE list_contains(?::VARCHAR[], source) AND "offset" BETWEEN ? AND ?',
        [sources, min(offsets), max(offsets)],
    )
    while rows := known.fetchmany(CHUNK):
        for row in rows:
            first.pop(row, None)
    kept = {id(event) for event in first.values()}
    return [event for event in candidates if id(event) in kept]
