"""Where in the store a correlation ID or a key's value occurs, without an index over every event.

Events are numbered as they are stored. For every run of events one row per value says under
which numbers it occurs; rows are sorted by the value's hash, so that DuckDB reads a small part of
each run. What is not sealed yet is scanned. A span is a hint: the event itself decides.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager

import duckdb
import pyarrow as pa

from collector.store.notes import note, noted_number

log = logging.getLogger(__name__)

META_KEY = "spans_sealed"
"""In `meta`: the last number that lies in a run."""

RUN = 250_000
"""Events that are sealed together. Until they are, they are scanned, and what comes meanwhile."""
MERGED = 16
"""Runs that become one."""
SLICES = 32
"""They do so piece by piece, while the next run is filled: all of it at once takes seconds, for
which every batch would wait."""
WIDTH = 2**64 // SLICES
"""Of hashes, in a piece."""
NEAR = 100_000
"""Ranges that are no further apart are read as one: DuckDB reads in groups of 122,880 rows."""

WIDE = 1_000
"""A value of more events in a run has only their bounds: what lies between is scanned."""
END = 2**63 - 1

# Each column by itself: to put the lists together would cost more than to look twice.
TEXTS = (
    "SELECT unnest(correlation_ids) AS text, seq FROM events WHERE seq BETWEEN ? AND ? "
    "UNION ALL "
    "SELECT unnest(map_values(keys)), seq FROM events WHERE seq BETWEEN ? AND ?"
)
"""Every ID and value with the number of its event."""

Range = tuple[int, int]
Reader = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
_Looked = tuple[int, pa.Table]
"""The last number of a run, and its spans."""


class Spans:
    """Seals and merges; called by the writer's thread, within the transaction of a batch. What a
    seal writes is looked up in a thread of its own: every batch would wait for it."""

    def __init__(self, reader: Reader, run: int = RUN) -> None:
        self._reader = reader
        self._run = run
        self._sealer = ThreadPoolExecutor(1, "sealer")
        self._looking: Future[_Looked | None] | None = None
        self._stored = 0
        """The next number when a batch was looked at last: what is below may be committed."""
        self._sealed = 0
        """A hint: where the last look found it. What a transaction took back is looked up again."""
        self._merging: Range | None = None
        """The first and the last of the runs that are becoming one."""
        self._slice = 0
        self._merge_from: int | None = 0
        """The number of the event after which there is the next piece to merge, if any."""

    def after(self, cursor: duckdb.DuckDBPyConnection, next_seq: int) -> None:
        """Seals what is complete, now that every number below `next_seq` is stored; or merges."""
        stored, self._stored = self._stored, next_seq
        if self._looking is not None:
            if self._looking.done():
                self._take_over(cursor, self._looking)
                self._looking = None
        elif stored - self._sealed > self._run:
            self._sealed = sealed_to(cursor)
            if stored - self._sealed > self._run:
                first, last = self._sealed + 1, self._sealed + self._run
                self._looking = self._sealer.submit(self._spans_of, first, last)
        elif self._merge_from is not None and next_seq > self._merge_from:
            self._merge_from = next_seq + self._run // SLICES
            self._merge_a_slice(cursor)

    def close(self) -> None:
        self._sealer.shutdown()

    def _spans_of(self, first: int, last: int) -> _Looked | None:
        """None where not all of these events are committed yet: a later batch asks again."""
        with self._reader() as cursor:
            if not cursor.execute("SELECT 1 FROM events WHERE seq >= ? LIMIT 1", [last]).fetchall():
                return None
            # Grouped by the text, so that the hash, which costs the most, is made once for each.
            rows = cursor.sql(
                "SELECT md5_number_lower(text) AS hash, lo, hi, seqs FROM ("
                "SELECT text, min(seq) AS lo, max(seq) AS hi, "
                f"CASE WHEN count(*) <= {WIDE} THEN list(seq) END AS seqs "
                f"FROM ({TEXTS}) GROUP BY text) ORDER BY hash",
                params=[first, last] * 2,
            )
            return last, rows.to_arrow_table()

    def _take_over(self, cursor: duckdb.DuckDBPyConnection, looked: Future[_Looked | None]) -> None:
        if (error := looked.exception()) is not None:
            log.debug("a run's spans are looked up again: %s", error)
        elif (found := looked.result()) is not None:
            self._seal(cursor, *found)

    def _seal(self, cursor: duckdb.DuckDBPyConnection, last: int, incoming: pa.Table) -> None:
        ((last_run,),) = cursor.execute("SELECT coalesce(max(run), 0) FROM spans").fetchall()
        number = last_run + 1
        cursor.execute("INSERT INTO spans SELECT hash, lo, hi, ?, seqs FROM incoming", [number])
        note(cursor, META_KEY, last)
        self._sealed = last
        if number % MERGED == 0:
            self._merge_from = last

    def _merge_a_slice(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Under the last run's number: fewer places to look at. What a crash or a transaction that
        was taken back has left is found by the look before the first piece."""
        if self._slice == 0:
            self._merging = _to_merge(cursor)
        if self._merging is None:
            self._merge_from = None
            return
        first, last = self._merging
        least = self._slice * WIDTH
        these = (
            f"run BETWEEN {first} AND {last} "
            f"AND hash BETWEEN {least}::UBIGINT AND {least + WIDTH - 1}::UBIGINT"
        )
        cursor.execute(
            f"CREATE TEMP TABLE merged AS SELECT * REPLACE ({last} AS run) FROM spans "
            f"WHERE {these} ORDER BY hash"
        )
        cursor.execute(f"DELETE FROM spans WHERE {these}")
        cursor.execute("INSERT INTO spans SELECT * FROM merged ORDER BY hash")
        cursor.execute("DROP TABLE merged")
        self._slice = (self._slice + 1) % SLICES


def _to_merge(cursor: duckdb.DuckDBPyConnection) -> Range | None:
    """The oldest runs that are to become one and have not, or not wholly."""
    ((oldest,),) = cursor.execute(
        f"SELECT min(run) FROM spans WHERE run % {MERGED} <> 0 "
        f"AND run < (SELECT max(run) // {MERGED} * {MERGED} FROM spans)"
    ).fetchall()
    if oldest is None:
        return None
    before = oldest // MERGED * MERGED
    return before + 1, before + MERGED


def sealed_to(cursor: duckdb.DuckDBPyConnection) -> int:
    """The last number that lies in a run."""
    return noted_number(cursor, META_KEY)


def numbers(
    cursor: duckdb.DuckDBPyConnection, ids: Sequence[str] = (), values: Sequence[str] = ()
) -> list[int]:
    """The numbers of all events with one of these IDs or keys' values; seldom a few others too."""
    found = _spans(cursor, list({*ids, *values}))
    exact = {seq for _, _, seqs in found for seq in seqs or ()}
    wide = sorted((lo, hi) for lo, hi, seqs in found if seqs is None)
    for lo, hi in _merged([*wide, (sealed_to(cursor) + 1, END)]):
        exact.update(_looked_up(cursor, lo, hi, ids, values))
    return sorted(exact)


def _spans(
    cursor: duckdb.DuckDBPyConnection, texts: list[str]
) -> list[tuple[int, int, list[int] | None]]:
    parameters: list[object] = [texts]
    of = "IN (SELECT md5_number_lower(unnest(?::VARCHAR[])))"
    if len(texts) == 1:
        # For one alone a join would take longer to plan than this to look.
        of, parameters = "= md5_number_lower(?)", [*texts]
    return cursor.execute(f"SELECT lo, hi, seqs FROM spans WHERE hash {of}", parameters).fetchall()


def bounds(cursor: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> dict[str, int]:
    """The number of the last event with each of these IDs or values; seldom of a later one."""
    return dict(
        cursor.execute(
            "WITH asked AS (SELECT DISTINCT unnest(?::VARCHAR[]) AS text), found AS ("
            "SELECT text, max(hi) AS last FROM asked JOIN spans ON hash = md5_number_lower(text) "
            "GROUP BY text UNION ALL "
            f"SELECT text, max(seq) FROM ({TEXTS}) JOIN asked USING (text) GROUP BY text) "
            "SELECT text, max(last) FROM found GROUP BY text",
            [list(texts), *[sealed_to(cursor) + 1, END] * 2],
        ).fetchall()
    )


def _merged(ranges: Sequence[Range]) -> list[Range]:
    """Ascending ranges, those that are near each other as one."""
    merged: list[Range] = []
    for lo, hi in ranges:
        if merged and lo <= merged[-1][1] + NEAR:
            merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
        else:
            merged.append((lo, hi))
    return merged


def _looked_up(
    cursor: duckdb.DuckDBPyConnection, lo: int, hi: int, ids: Sequence[str], values: Sequence[str]
) -> Iterator[int]:
    """Where there are no spans, every event is looked at."""
    for column, texts in (("correlation_ids", ids), ("map_values(keys)", values)):
        if len(set(texts)) == 1:
            # For one alone a join would cost more than it saves.
            found = cursor.execute(
                f"SELECT seq FROM events WHERE seq BETWEEN ? AND ? AND list_contains({column}, ?)",
                [lo, hi, texts[0]],
            )
        elif texts:
            found = cursor.execute(
                f"SELECT DISTINCT seq FROM (SELECT seq, unnest({column}) AS text FROM events "
                "WHERE seq BETWEEN ? AND ?) WHERE text IN (SELECT unnest(?::VARCHAR[]))",
                [lo, hi, list(texts)],
            )
        else:
            continue
        for (seq,) in found.fetchall():
            yield seq
