"""How batches become rows: several as if one after another, by one statement for each table.

A statement costs a millisecond or two before it has written anything, so that four small batches
in one go are hardly dearer than one of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from collector.batch import Batch
from collector.store.columns import Columns
from collector.store.rollups import Rollups
from collector.store.spans import Reader, Spans
from collector.store.tables import EVENTS, GAPS, PARTITIONS, PAYLOADS, Table


class Batches:
    """Called by the writer's thread, within a transaction."""

    def __init__(
        self, tables: Mapping[str, Table], next_seq: int, run: int, reader: Reader
    ) -> None:
        self.next_seq = next_seq
        """Of the next event. Whoever rolls back what was written puts it back."""
        self._tables = tables
        self._spans = Spans(reader, run)
        self._rollups = Rollups(run)

    def write(self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
        numbered = [self._numbered(batch) for batch in batches if batch.count]
        if numbered:
            events, payloads = zip(*numbered, strict=True)
            _insert(connection, EVENTS, pa.concat_tables(events))
            _insert(connection, PAYLOADS, pa.concat_tables(payloads))
            self._spans.after(connection, self.next_seq)
            self._rollups.after(connection, self.next_seq)
        _insert_rows(connection, PARTITIONS, [batch.partitions for batch in batches])
        _insert_rows(connection, GAPS, [batch.gaps for batch in batches])
        for name in dict.fromkeys(chain.from_iterable(batch.rows for batch in batches)):
            some = [batch.rows[name] for batch in batches if name in batch.rows]
            _insert_rows(connection, self._tables[name], some)

    def close(self) -> None:
        self._spans.close()

    def _numbered(self, batch: Batch) -> tuple[pa.Table, pa.Table]:
        columns = batch.columns
        if columns is None:
            columns = Columns.of(batch.events)
            for seq, event in enumerate(batch.events, self.next_seq):
                event.seq = seq
        first = self.next_seq
        self.next_seq += columns.count
        return columns.numbered(first)


def _insert_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, parts: Sequence[Sequence[Any]]
) -> None:
    """Each part as if it were written after the one before it."""
    parts = [part for part in parts if part]
    if not parts:
        return
    if table.cache:
        connection.execute(f"DELETE FROM {table.name}")
        parts = parts[-1:]
    rows: Iterable[Any] = chain.from_iterable(parts)
    if table.primary_key:
        # One statement may not replace a row twice.
        rows = {table.key(row): row for row in rows}.values()
    _insert(connection, table, table.arrow(list(rows)))


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, incoming: pa.Table) -> None:
    """DuckDB finds the rows by their name here: to register them would cost as much again."""
    connection.execute(table.insert_sql("incoming"))
