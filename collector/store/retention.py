"""What the store lets go of: flows that are old, whole and over; open ones when they are very old.

The events of a flow go together, so that what is left of it is never judged as if it were all.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from collector.event import Event
from collector.store import reading, rollups
from collector.store.blocks import pack
from collector.store.store import Store
from collector.store.tied import LOOSE, for_tying
from collector.ties import Key, Ties
from collector.times import NEVER

REGION = 200_000
"""Events that are looked at for one decision."""
SLICE = 20_000
"""Events that are deleted in one transaction (more only if one flow has more)."""
ROOM = 0.9
"""Of `max_size`, when something must go: not at every look."""


@dataclass(frozen=True)
class Limits:
    """Ages in µs, the size in bytes."""

    age: int
    size: int
    open_age: int


@dataclass
class Doomed:
    """Flows that may go, unless somebody needs them; and events that are in no flow."""

    flows: dict[str, list[int]] = field(default_factory=dict)
    """Their events' numbers; one may be there twice."""
    untied: list[int] = field(default_factory=list)
    to_time: int = NEVER
    """The newest time among all of these events."""
    shared: list[tuple[str, ...]] = field(default_factory=list)
    """The flows of each event that is in several: they go together."""
    end: int = 0
    """The number up to which all was looked at."""
    last: int = 0
    """That of the newest event that was stored then: what came later begins anew."""
    loose: list[Event] = field(default_factory=list)
    """Where keys tie: those of no correlation ID, or several, which keys may tie to more flows."""
    held: set[Key] = field(default_factory=set)
    """Values of such events that come after the end: what carries them goes on."""

    def tied(self, ties: Ties) -> "Doomed":
        """By flows as keys tie them, where until now it was by correlation ID."""
        found = Doomed(to_time=self.to_time, end=self.end, last=self.last, loose=self.loose)
        members = found.flows
        for id, numbers in self.flows.items():
            members.setdefault(ties.flow(id), []).extend(numbers)
        sharing = [{ties.flow(id) for id in ids} for ids in self.shared]
        for event in self.loose:
            flows = ties.flows(event)
            sharing.append(set(flows))
            for flow in flows:
                members.setdefault(flow, []).append(event.seq)
            if not flows:
                found.untied.append(event.seq)
        found.untied += self.untied
        found.shared = [tuple(sorted(flows)) for flows in sharing if len(flows) > 1]
        held = {ties.flow_of_key(key) for key in self.held}
        found.keep(lambda flow: flow in held or any(id not in self.flows for id in ties.ids(flow)))
        return found

    def gone(self) -> list[Event]:
        """Those loose events that go."""
        numbers = {*self.untied, *(number for of in self.flows.values() for number in of)}
        return [event for event in self.loose if event.seq in numbers]

    def keep(self, wanted: Callable[[str], bool]) -> None:
        """Takes out what is wanted, and what shares an event with it."""
        kept = {flow for flow in self.flows if wanted(flow)}
        kept.update(f for flows in self.shared for f in flows if f not in self.flows)
        grown = True
        while grown:
            before = len(kept)
            for flows in self.shared:
                if not kept.isdisjoint(flows):
                    kept.update(flows)
            grown = len(kept) > before
        for flow in kept:
            self.flows.pop(flow, None)

    def slices(self) -> Iterable[tuple[list[str], list[int]]]:
        """Whole flows, some thousand events at a time."""
        for start in range(0, len(self.untied), SLICE):
            yield [], self.untied[start : start + SLICE]
        flows: list[str] = []
        numbers: list[int] = []
        for flow, of_flow in self.flows.items():
            flows.append(flow)
            numbers.extend(of_flow)
            if len(numbers) >= SLICE:
                yield flows, numbers
                flows, numbers = [], []
        if numbers:
            yield flows, numbers


def mark(connection: duckdb.DuckDBPyConnection, now: int, limits: Limits) -> None:
    """Notes how far the store has come; what is too old to be asked for goes."""
    connection.execute(
        "INSERT INTO ages SELECT max(seq), ? FROM events HAVING max(seq) IS NOT NULL", [now]
    )
    old = now - limits.open_age
    # The newest of the old ones is what says what is older still.
    connection.execute(
        "DELETE FROM ages WHERE moment < (SELECT max(moment) FROM ages WHERE moment <= ?)", [old]
    )
    connection.execute(
        "DELETE FROM taken WHERE moment < (SELECT max(moment) FROM taken WHERE moment <= ?)", [old]
    )


def horizons(store: Store, now: int, limits: Limits) -> tuple[int, int]:
    """(what is up to this number may go, what is up to that one goes even if it is open)."""
    used = store.used()
    with store.reader() as cursor:
        by_age, by_open_age = (
            cursor.execute(
                "SELECT coalesce(max(seq), 0) FROM ages WHERE moment <= ?", [now - age]
            ).fetchall()[0][0]
            for age in (limits.age, limits.open_age)
        )
        ((first, last, count),) = cursor.execute(
            "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0), count(*) FROM events"
        ).fetchall()
        if used > limits.size and count:
            surplus = int(count * (1 - limits.size * ROOM / used)) + 1
            ((by_size,),) = cursor.execute(
                "SELECT coalesce(max(seq), 0) FROM "
                "(SELECT seq FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?)",
                [first, last, surplus],
            ).fetchall()
            by_age = max(by_age, by_size)
    return by_age, by_open_age


def region(store: Store, after: int, horizon: int, *, tied: bool = False) -> Doomed | None:
    """What may go up to a number some way above `after`; None when there is nothing there. `tied`:
    keys tie, and so it is not yet known what goes together."""
    with store.reader() as cursor:
        ((end,),) = cursor.execute(
            "SELECT max(seq) FROM (SELECT seq FROM events WHERE seq > ? AND seq <= ? "
            "ORDER BY seq LIMIT ?)",
            [after, horizon, REGION],
        ).fetchall()
        if end is None:
            return None
        doomed = Doomed(end=end, last=reading.last_seq(cursor))
        rows = cursor.execute(
            # An event from the future was there when it came: it says nothing of what comes.
            "SELECT seq, correlation_ids, epoch_us(least(time, arrival)) FROM events "
            "WHERE seq <= ?",
            [end],
        ).fetchall()
        if tied:
            doomed.loose = list(for_tying(cursor, f"seq <= ? AND {LOOSE}", [end]))
            doomed.held = _held(cursor, end)
        loose = {event.seq for event in doomed.loose}
        for seq, flows, time in rows:
            doomed.to_time = max(doomed.to_time, time)
            if not flows and seq not in loose:
                doomed.untied.append(seq)
            for flow in flows:
                doomed.flows.setdefault(flow, []).append(seq)
            if len(flows) > 1:
                doomed.shared.append(tuple(flows))
        younger = _flows_after(cursor, end, list(doomed.flows))
    doomed.keep(younger.__contains__)
    return doomed


def _flows_after(
    cursor: duckdb.DuckDBPyConnection, end: int, flows: Sequence[str]
) -> Collection[str]:
    """Those of these flows that go on behind this number."""
    found = cursor.execute(
        "SELECT DISTINCT flow FROM (SELECT unnest(correlation_ids) AS flow FROM events "
        "WHERE seq > ?) WHERE flow IN (SELECT unnest(?::VARCHAR[]))",
        [end, list(flows)],
    ).fetchall()
    return {row[0] for row in found}


def _held(cursor: duckdb.DuckDBPyConnection, end: int) -> set[Key]:
    """Values that events carry up to this number and loose ones have behind it."""
    entries = "SELECT DISTINCT unnest(map_entries(keys)) AS entry FROM events WHERE"
    found = cursor.execute(
        f"SELECT entry.key, entry.value FROM ({entries} seq > $1 AND {LOOSE}) SEMI JOIN "
        f"({entries} seq <= $1 AND len(correlation_ids) = 1) USING (entry)",
        [end],
    ).fetchall()
    return {(name, value) for name, value in found}


def delete(connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> None:
    """Events and their bytes: what shares a block with them is packed anew, each by itself."""
    connection.register("doomed", pa.table({"seq": pa.array(numbers, pa.int64())}))
    low, high = min(numbers), max(numbers)
    # Bounds first: they spare the scan of what is newer.
    these = f"seq BETWEEN {low} AND {high} AND seq IN (SELECT seq FROM doomed)"
    touched = f"SELECT DISTINCT block FROM events WHERE {these} AND block IS NOT NULL"
    blocks = [row[0] for row in connection.execute(touched).fetchall()]
    rollups.take_off(connection, these)
    connection.execute(f"DELETE FROM events WHERE {these}")
    connection.unregister("doomed")
    if not blocks:
        return
    rest = _in_blocks(connection, blocks)
    beside = reading.beside(connection, [(block, seq) for seq, block in rest])
    _drop_blocks(connection, blocks)
    store_alone(connection, [(seq, *one) for (seq, _), one in zip(rest, beside, strict=True)])


def drop_payloads(
    connection: duckdb.DuckDBPyConnection, end: int, reads: Callable[[str], bool]
) -> None:
    """Of what is kept although it is old, the payloads that no rule reads."""
    rows = connection.execute(
        "SELECT seq, block, name FROM events WHERE seq <= ? AND block IS NOT NULL", [end]
    ).fetchall()
    going = [(seq, block) for seq, block, name in rows if not reads(name)]
    if not going:
        return
    blocks = list({block for _, block in going})
    connection.register("plain", pa.table({"seq": pa.array([s for s, _ in going], pa.int64())}))
    connection.execute(
        "UPDATE events SET block = NULL, encoding = CASE WHEN encoding = 'none' THEN 'none' "
        "ELSE 'not-kept' END WHERE seq <= ? AND seq IN (SELECT seq FROM plain)",
        [end],
    )
    connection.unregister("plain")
    rest = _in_blocks(connection, blocks)
    beside = reading.beside(connection, [(block, seq) for seq, block in rest])
    _drop_blocks(connection, blocks)
    store_alone(connection, [(seq, *one) for (seq, _), one in zip(rest, beside, strict=True)])


def _in_blocks(
    connection: duckdb.DuckDBPyConnection, blocks: Sequence[int]
) -> list[tuple[int, int]]:
    return connection.execute(
        "SELECT seq, block FROM events WHERE block BETWEEN ? AND ? "
        "AND block IN (SELECT unnest(?::BIGINT[]))",
        [min(blocks), max(blocks), list(blocks)],
    ).fetchall()


def _drop_blocks(connection: duckdb.DuckDBPyConnection, blocks: Sequence[int]) -> None:
    connection.execute(
        "DELETE FROM payloads WHERE block BETWEEN ? AND ? "
        "AND block IN (SELECT unnest(?::BIGINT[]))",
        [min(blocks), max(blocks), list(blocks)],
    )


def store_alone(
    connection: duckdb.DuckDBPyConnection, beside: Sequence[tuple[int, str, str | None]]
) -> None:
    """Headers and payload of each of these events in a block of its own."""
    if not beside:
        return
    numbers = [seq for seq, _, _ in beside]
    packed = [
        pack([Event("", "", "", 0, 0, 0, 0, "", headers=headers, payload=payload)])[1][0]
        for _, headers, payload in beside
    ]
    incoming = pa.table({"block": pa.array(numbers, pa.int64()), "data": pa.array(packed)})
    connection.register("alone", incoming)
    connection.execute("INSERT INTO payloads SELECT * FROM alone")
    connection.execute(
        f"UPDATE events SET block = seq WHERE seq BETWEEN {min(numbers)} AND {max(numbers)} "
        "AND seq IN (SELECT block FROM alone)"
    )
    connection.unregister("alone")
