"""Flows where keys tie: what the store's events tie, and the events of such flows."""

import threading
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from collector.event import Event
from collector.store import reading
from collector.store.notes import noted
from collector.store.reading import THESE, these
from collector.store.spans import numbers
from collector.store.store import Store
from collector.ties import Key, Ties, Tying, flows_of
from collector.times import US_PER_S

META_KEY = "tying"
NOTED = 3_600 * US_PER_S
"""So long it is told who was deleted: who has not read since then makes the ties anew."""

TIED_AT_ONCE = 250_000
"""Events of which it is asked at a time what they tie."""
LOOSE = "(len(correlation_ids) <> 1 AND cardinality(keys) > 0)"
"""Which events keys may tie to flows that are not those of their own correlation IDs."""
MEMBERS = "SELECT seq, unnest(correlation_ids) AS flow, epoch_us(time) AS time, name FROM events"
TIED_MEMBERS = (
    "SELECT m.seq, coalesce(j.flow, m.flow) AS flow, m.time, m.name "
    f"FROM ({MEMBERS}) m LEFT JOIN joined j ON j.id = m.flow UNION "
    "SELECT seq, b.flow, epoch_us(time), name FROM events JOIN by_key b USING (seq)"
)
"""An event's place in each of its flows, once; after `lay_out`."""


def save_tying(store: Store, tying: Tying) -> str:
    """Which keys tie, kept with the events, so that all readers tie alike; as it is written."""
    keys_of = {source: sorted(keys) for source, keys in sorted(tying.items())}
    text = msgspec.json.encode(keys_of).decode()
    store.set_meta(META_KEY, text)
    return text


def stored_tying(cursor: duckdb.DuckDBPyConnection) -> dict[str, frozenset[str]]:
    text = noted(cursor, META_KEY)
    return {} if text is None else msgspec.json.decode(text, type=dict[str, frozenset[str]])


def common_keys(cursor: duckdb.DuckDBPyConnection, after: int = 0) -> set[Key]:
    """Values that too many correlation IDs carry, where what is stored does not tell any more;
    of deletions after that one."""
    found = cursor.execute("SELECT name, value FROM common_keys WHERE number > ?", [after])
    return {(name, value) for name, value in found.fetchall()}


def stored_ties(cursor: duckdb.DuckDBPyConnection) -> Ties | None:
    """Those of the stored events, before these are added; None where no key ties."""
    tying = stored_tying(cursor)
    return Ties(tying, common_keys(cursor)) if tying else None


def note_deletion(
    connection: duckdb.DuckDBPyConnection,
    moment: int,
    last: int,
    ids: Sequence[str],
    common: Collection[Key],
) -> None:
    """All events of these correlation IDs up to that number are deleted, and of these values it is
    to be known that they are common; beside what was noted before."""
    number = _deletions(connection) + 1
    connection.execute("INSERT INTO let_go VALUES (?, ?, ?, ?)", [number, moment, last, list(ids)])
    connection.execute("DELETE FROM let_go WHERE moment < ?", [moment - NOTED])
    _insert_common(connection, number, common)


def keep_common(connection: duckdb.DuckDBPyConnection, common: Collection[Key]) -> None:
    """Of these values alone it is to be known that they are common; all who read tie anew."""
    number = _deletions(connection) + 2
    connection.execute("DELETE FROM common_keys")
    connection.execute("INSERT INTO let_go VALUES (?, 0, 0, [])", [number])
    _insert_common(connection, number, common)


def _deletions(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the newest one that was noted."""
    ((number,),) = connection.execute("SELECT coalesce(max(number), 0) FROM let_go").fetchall()
    return int(number)


def _insert_common(
    connection: duckdb.DuckDBPyConnection, number: int, common: Collection[Key]
) -> None:
    if common:
        names, values = zip(*sorted(common), strict=True)
        connection.execute(
            "INSERT INTO common_keys SELECT ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
            [number, list(names), list(values)],
        )


def tie_stored(cursor: duckdb.DuckDBPyConnection, ties: Ties, after: int, last: int) -> None:
    """Adds the stored events of these numbers, without an object for each of them."""
    tying = [(source, name) for source, names in ties.tying.items() for name in names]
    sources, names = zip(*sorted(tying), strict=True)
    if last - after > TIED_AT_ONCE:
        # Retention may have taken many millions.
        after = max(after, reading.first_seq(cursor) - 1)
    for low in range(after, last, TIED_AT_ONCE):
        found = cursor.execute(
            "SELECT name, value, id, count(*) FROM (SELECT source, entry.key AS name, "
            "entry.value AS value, id FROM (SELECT source, unnest(map_entries(keys)) AS entry, "
            "CASE WHEN len(correlation_ids) = 1 THEN correlation_ids[1] END AS id "
            "FROM events WHERE seq > ? AND seq <= ? AND cardinality(keys) > 0)) "
            "WHERE (source, name) IN (SELECT (unnest(?::VARCHAR[]), unnest(?::VARCHAR[]))) "
            "GROUP BY ALL",
            [low, min(low + TIED_AT_ONCE, last), list(sources), list(names)],
        ).fetchall()
        ties.tie(((name, value), id, count) for name, value, id, count in found)


def counts_by_flow(
    cursor: duckdb.DuckDBPyConnection, names: Sequence[str] | None, last: int, ties: Ties | None
) -> Iterator[tuple[str, int, int]]:
    """By flow how many events up to this number have one of the names (None: any), and how many
    do not. `ties`: of these events, where keys tie."""
    if ties is None:
        yield from reading.counts_by_id(cursor, names, last)
        return
    joined = ties.joined()
    counts: dict[str, list[int]] = {}
    for event in for_tying(cursor, f"seq <= ? AND ({LOOSE} OR len(correlation_ids) > 1)", [last]):
        for flow in ties.flows(event):
            other = names is not None and event.name not in names
            counts.setdefault(flow, [0, 0])[other] += 1
    for id, named, others in reading.counts_by_id(cursor, names, last, alone=True):
        flow = joined.get(id, id)
        if flow != id or id in joined or id in counts:
            count = counts.setdefault(flow, [0, 0])
            count[0] += named
            count[1] += others
        else:
            yield id, named, others
    for flow, (named, others) in counts.items():
        yield flow, named, others


def flows_of_value(
    cursor: duckdb.DuckDBPyConnection, seqs: Sequence[int], value: str, ties: Ties
) -> list[str]:
    """The flows of those of these events that have a key of this value, tying or not."""
    condition = f"{THESE} AND list_contains(map_values(keys), ?) ORDER BY seq LIMIT 1000"
    found = for_tying(cursor, condition, [*these(seqs), value])
    return sorted({flow for event in found for flow in ties.flows(event)})


def members(
    cursor: duckdb.DuckDBPyConnection, seqs: Sequence[int], ties: Ties | None
) -> dict[int, set[str]]:
    """The flows of the events with these numbers."""
    found = for_tying(cursor, THESE, these(seqs))
    return {e.seq: set(flows_of(e, ties)) for e in found}


def tied_flows_between(
    cursor: duckdb.DuckDBPyConnection, low: int, top: int, text: str | None, ties: Ties
) -> list[tuple[int, str]]:
    """As `reading.flows_between`."""
    newest: dict[str, int] = {}
    for event in for_tying(cursor, "seq BETWEEN ? AND ? ORDER BY seq", [low, top]):
        newest.update(dict.fromkeys(ties.flows(event), event.seq))
    found = [
        (seq, flow)
        for flow, seq in newest.items()
        if text is None or any(text in id for id in ties.ids(flow))
    ]
    return sorted(found, key=lambda one: (-one[0], one[1]))


def for_tying(
    cursor: duckdb.DuckDBPyConnection, where: str, parameters: Sequence[object]
) -> Iterator[Event]:
    """Of these events what tells where they belong."""
    result = cursor.execute(
        f"SELECT source, name, correlation_ids, keys, seq FROM events WHERE {where}",
        list(parameters),
    )
    while rows := result.fetchmany(reading.CHUNK):
        for source, name, ids, keys, seq in rows:
            yield Event(source, "", "", 0, 0, 0, 0, name, tuple(ids), None, tuple(keys.items()),
                        seq=seq)  # fmt: skip


def events_by_flow(
    cursor: duckdb.DuckDBPyConnection,
    flows: Sequence[str],
    ties: Ties | None,
    read: Container[str] | None = None,
) -> dict[str, list[Event]]:
    """The events of some flows, by name: those of all their IDs, and those that keys tie."""
    if ties is None:
        return reading.events_of_flows(cursor, flows, read)
    found: dict[str, list[Event]] = {flow: [] for flow in flows}
    ids = [id for flow in flows for id in ties.ids(flow)]
    values = {value for flow in flows for _, value in ties.keys(flow)}
    seqs = numbers(cursor, ids=ids, values=sorted(values))
    for event in reading.events_at(cursor, seqs, read):
        for flow in ties.flows(event):
            if flow in found:
                found[flow].append(event)
    return found


def lay_out(cursor: duckdb.DuckDBPyConnection, ties: Ties) -> None:
    """For queries in SQL: `joined` (id, flow) and `by_key` (seq, flow), on this cursor alone."""
    joined = ties.joined()
    cursor.register("joined", _strings(["id", "flow"], list(joined.items())))
    loose = f"SELECT seq, source, unnest(map_entries(keys)) AS entry FROM events WHERE {LOOSE}"
    carried = [
        (source, name, value, flow)
        for source, name, value in cursor.execute(
            f"SELECT DISTINCT source, entry.key, entry.value FROM ({loose})"
        ).fetchall()
        if name in ties.tying.get(source, ()) and (flow := ties.flow_of_key((name, value)))
    ]
    cursor.register("carried", _strings(["source", "name", "value", "flow"], carried))
    by_key = cursor.execute(
        f"SELECT DISTINCT l.seq, c.flow FROM ({loose}) l JOIN carried c "
        "ON l.source = c.source AND l.entry.key = c.name AND l.entry.value = c.value"
    ).fetchall()
    columns = {
        "seq": pa.array([seq for seq, _ in by_key], pa.int64()),
        "flow": pa.array([flow for _, flow in by_key], pa.string()),
    }
    cursor.register("by_key", pa.table(columns))


def _strings(names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, columns, strict=True)})


class StoredTies:
    """For those who only read: the ties of the stored events, brought up to date when asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._ties = Ties({})
        self._seen = 0
        self._deletions = 0

    @contextmanager
    def reader(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Ties | None]]:
        """A cursor, and the ties of exactly what it sees; None where nothing ties."""
        with self._store.reader() as cursor:
            if not (tying := stored_tying(cursor)):
                yield cursor, None
                return
        # One reader at a time: the next may see more, and would add it below this one's hands.
        with self._lock, self._store.reader() as cursor:
            if tying != self._ties.tying or not self._hear_of_deletions(cursor):
                self._ties, self._seen = Ties(tying, common_keys(cursor)), 0
                self._deletions = _deletions(cursor)
            last = reading.last_seq(cursor)
            tie_stored(cursor, self._ties, self._seen, last)
            self._seen = max(self._seen, last)
            yield cursor, self._ties

    def _hear_of_deletions(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        """Whether all that was deleted since is known."""
        rows = cursor.execute(
            "SELECT number, last, ids FROM let_go WHERE number > ? ORDER BY number",
            [self._deletions],
        ).fetchall()
        if not rows:
            return True
        if rows[-1][0] - self._deletions != len(rows):
            return False
        self._ties.forget(id for _, _, ids in rows for id in ids)
        self._ties.are_common(common_keys(cursor, self._deletions))
        self._deletions = rows[-1][0]
        # Some of these IDs may have come again before the deletion was written: they are known.
        self._seen = min(self._seen, *(last for _, last, _ in rows))
        return True


class Whole(NamedTuple):
    """A flow, as it is named and tied now."""

    ids: list[str]
    seqs: list[int]
    """Its events' numbers."""
    common: Collection[Key]
    """What is common while its events are there."""


def whole_flow(store: Store, id: str) -> Whole:
    """The flow that this correlation ID belongs to."""
    with StoredTies(store).reader() as (cursor, ties):
        if ties is None:
            condition = f"WHERE {THESE} AND list_contains(correlation_ids, ?) ORDER BY seq"
            found = cursor.execute(
                f"SELECT seq FROM events {condition}", [*these(numbers(cursor, ids=[id])), id]
            ).fetchall()
            return Whole([id], [seq for (seq,) in found], ())
        flow = ties.flow(id)
        events = events_by_flow(cursor, [flow], ties, read=())[flow]
        ids, seqs = {id, flow, *ties.ids(flow)}, sorted(event.seq for event in events)
        return Whole(sorted(ids), seqs, frozenset(ties.common))
