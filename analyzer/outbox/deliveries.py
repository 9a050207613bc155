"""The outbox's table: what waits for a sink, what was told, and how it is marked."""

from collections.abc import Sequence

import duckdb
import msgspec

from analyzer.notification import Also, Notification, notification_of
from analyzer.tables import OUTBOX

WAITS = f"FROM {OUTBOX.name} WHERE sink = ? AND delivered IS NULL"


class Waiting(msgspec.Struct, frozen=True):
    """What one sink is yet to be told of one alert; of several messages only the newest goes."""

    seq: int
    """The newest one's."""
    first: int
    """The oldest one's."""
    older: int
    """How many there are beside the newest."""
    notification: Notification
    begins: str
    """The `change` that the oldest tells of."""
    told: bool
    """Whether the sink was last told that this alert fires."""


class SinkState(msgspec.Struct, frozen=True):
    """How far one sink has come, of what the store still knows. Moments are µs."""

    sink: str
    waiting: int
    alerts: int
    """So many alerts those that wait are about."""
    waiting_since: int | None
    taken: int
    merged: int
    spared: int
    refused: int
    last_taken: int | None


def waiting(
    cursor: duckdb.DuckDBPyConnection, sink: str, but: Sequence[str], limit: int
) -> list[Waiting]:
    """Alerts with something to tell, but for some, those that have been waiting longest first."""
    rows = cursor.execute(
        f"SELECT fingerprint, min(seq) AS first, max(seq), count(*) {WAITS} "
        "AND fingerprint NOT IN (SELECT unnest(?::VARCHAR[])) "
        "GROUP BY fingerprint ORDER BY first LIMIT ?",
        [sink, list(but), limit],
    ).fetchall()
    told = newest_taken(cursor, sink, [fingerprint for fingerprint, *_ in rows])
    seqs = {*told.values(), *(first for _, first, _, _ in rows), *(last for _, _, last, _ in rows)}
    found = notifications(cursor, sink, list(seqs))
    firing = {seq for seq, one in found.items() if one.status == "firing"}
    beside = _told_beside(cursor, sink, [fingerprint for fingerprint, *_ in rows])
    return [
        Waiting(
            last,
            first,
            count - 1,
            msgspec.structs.replace(
                found[last],
                merged=count - 1,
                also=_all_of(found[last].also, beside.get(fingerprint, {})),
            ),
            found[first].change,
            told.get(fingerprint) in firing,
        )
        for fingerprint, first, last, count in rows
    ]


def _told_beside(
    cursor: duckdb.DuckDBPyConnection, sink: str, of: Sequence[str]
) -> dict[str, dict[str, Also]]:
    """By fingerprint, the other alerts that messages about this one were to tell of, and that have
    had no message of their own since: they are told by whatever goes."""
    rows = cursor.execute(
        f"SELECT seq, fingerprint, body {WAITS} AND fingerprint IN (SELECT unnest(?::VARCHAR[])) "
        """AND NOT contains(body, '"also":[]') ORDER BY seq""",
        [sink, list(of)],
    ).fetchall()
    named = [
        (seq, fingerprint, also)
        for seq, fingerprint, body in rows
        if (one := _decoded(body)) is not None
        for also in one.also
    ]
    own: dict[str, int] = {}
    if named:
        own = dict(
            cursor.execute(
                f"SELECT fingerprint, max(seq) FROM {OUTBOX.name} WHERE sink = ? "
                "AND fingerprint IN (SELECT unnest(?::VARCHAR[])) GROUP BY fingerprint",
                [sink, list({also.fingerprint for _, _, also in named})],
            ).fetchall()
        )
    found: dict[str, dict[str, Also]] = {}
    for seq, fingerprint, also in named:
        if own.get(also.fingerprint, 0) < seq:
            found.setdefault(fingerprint, {})[also.fingerprint] = also
    return found


def _all_of(newest: tuple[Also, ...], older: dict[str, Also]) -> tuple[Also, ...]:
    named = {one.fingerprint for one in newest}
    return (*newest, *(one for of, one in older.items() if of not in named))


def newest_taken(
    cursor: duckdb.DuckDBPyConnection, sink: str, of: Sequence[str] | None = None
) -> dict[str, int]:
    """By fingerprint, the number of the last message that the sink took."""
    some, parameters = ("", []) if of is None else ("AND fingerprint IN (SELECT unnest(?))", [of])
    rows = cursor.execute(
        f"SELECT fingerprint, max(seq) FROM {OUTBOX.name} "
        f"WHERE sink = ? AND outcome = 'taken' {some} GROUP BY fingerprint ORDER BY 2",
        [sink, *parameters],
    ).fetchall()
    return dict(rows)


def notifications(
    cursor: duckdb.DuckDBPyConnection, sink: str, seqs: Sequence[int]
) -> dict[int, Notification]:
    """By number; without those that retention has taken."""
    rows = cursor.execute(
        f"SELECT seq, body FROM {OUTBOX.name} "
        "WHERE sink = ? AND seq IN (SELECT unnest(?::BIGINT[]))",
        [sink, list(seqs)],
    ).fetchall()
    return {seq: one for seq, body in rows if (one := _decoded(body)) is not None}


def _decoded(body: str) -> Notification | None:
    """None of what an older nonevent wrote: it was taken then, and nobody waits for it."""
    try:
        return notification_of(body)
    except msgspec.DecodeError:
        return None


def waiting_up_to(
    cursor: duckdb.DuckDBPyConnection, sink: str, of: Sequence[str], last: int
) -> set[str]:
    """Those of these alerts of which something up to this number waits."""
    rows = cursor.execute(
        f"SELECT DISTINCT fingerprint {WAITS} AND seq <= ? "
        "AND fingerprint IN (SELECT unnest(?::VARCHAR[]))",
        [sink, last, list(of)],
    ).fetchall()
    return {fingerprint for (fingerprint,) in rows}


def last_waiting(cursor: duckdb.DuckDBPyConnection, sink: str) -> int:
    row = cursor.execute(f"SELECT coalesce(max(seq), 0) {WAITS}", [sink]).fetchone()
    return int(row[0]) if row else 0


def settle(
    connection: duckdb.DuckDBPyConnection, sink: str, one: Waiting, outcome: str, moment: int
) -> None:
    """Marks the newest and, in the same statement, the older ones that it stood for. What was
    written since is another message, and waits on."""
    older = "spared" if outcome == "spared" else "merged"
    connection.execute(
        f"UPDATE {OUTBOX.name} SET delivered = make_timestamp(?::BIGINT), "
        "outcome = CASE WHEN seq = ? THEN ? ELSE ? END "
        "WHERE sink = ? AND fingerprint = ? AND seq <= ? AND delivered IS NULL",
        [moment, one.seq, outcome, older, sink, one.notification.fingerprint, one.seq],
    )


def forget_settled(connection: duckdb.DuckDBPyConnection, before: int) -> None:
    """Deletes what was settled before a moment (µs), but for the last word that a sink took of an
    alert, if that was said to fire: it may have to be said again."""
    connection.execute(
        f"DELETE FROM {OUTBOX.name} WHERE epoch_us(delivered) < ? AND seq NOT IN ("
        f"SELECT seq FROM {OUTBOX.name} JOIN (SELECT max(seq) AS seq FROM {OUTBOX.name} "
        "WHERE outcome = 'taken' GROUP BY sink, fingerprint) USING (seq) "
        """WHERE epoch_us(delivered) < ? AND contains(left(body, 400), '"status":"firing"'))""",
        [before, before],
    )


def states(cursor: duckdb.DuckDBPyConnection) -> list[SinkState]:
    """Of every sink that was ever written to, by name."""
    rows = cursor.execute(
        "SELECT sink, count(*) FILTER (delivered IS NULL), "
        "count(DISTINCT fingerprint) FILTER (delivered IS NULL), "
        "epoch_us(min(created) FILTER (delivered IS NULL)), "
        "count(*) FILTER (outcome = 'taken'), count(*) FILTER (outcome = 'merged'), "
        "count(*) FILTER (outcome = 'spared'), count(*) FILTER (outcome = 'refused'), "
        "epoch_us(max(delivered) FILTER (outcome = 'taken')) "
        f"FROM {OUTBOX.name} GROUP BY sink ORDER BY sink"
    ).fetchall()
    return [
        SinkState(sink, waits, alerts, since, taken, merged, spared, refused, last)
        for sink, waits, alerts, since, taken, merged, spared, refused, last in rows
    ]
