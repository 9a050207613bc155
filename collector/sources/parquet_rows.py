"""Parquet as event lines."""

import io
import json
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import msgspec
import pyarrow as pa

from collector.sources.event_columns import STRUCTURES, cell, columns_of, line_of_row
from collector.sources.event_line import EventLine, LineError
from collector.sources.rows import Rows

ROWS = 5_000


class ParquetRows(Rows):
    """The same columns. Moments may be TIMESTAMPs, which are UTC where they have no zone."""

    unit = "row "

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._share = 0.0

    def lines(self) -> Iterator[tuple[int, EventLine]]:
        import pyarrow.parquet as pq  # here, because most files are none, and it takes a while

        try:
            opened = pq.ParquetFile(self._file)
            columns = columns_of(opened.schema_arrow.names)
            groups = opened.num_row_groups
            for group in range(groups):
                for batch in opened.iter_batches(ROWS, row_groups=[group], columns=columns):
                    yield from self._rows(batch)
                self._share = (group + 1) / groups
        except (pa.ArrowException, ValueError, OverflowError) as error:
            # Of spoilt bytes it also says in Python's words that they are no UTF-8.
            self.number += 1
            raise LineError(f"this Parquet file cannot be read: {error}") from error

    def _rows(self, batch: pa.RecordBatch) -> Iterator[tuple[int, EventLine]]:
        columns = {
            name: _values(name, column)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        for values in zip(*columns.values(), strict=True):
            self.number += 1
            yield self.number, line_of_row(dict(zip(columns, values, strict=True)))

    def done(self) -> int:
        here = self._file.tell()
        end = self._file.seek(0, io.SEEK_END)
        self._file.seek(here)
        return round(self._share * end)


def _values(name: str, column: pa.Array) -> Sequence[object]:
    if pa.types.is_timestamp(column.type):
        # Epoch milliseconds: a TIMESTAMP without a zone is UTC, as the store's own are.
        micros = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return [None if us is None else us / 1000 for us in micros.to_pylist()]
    if pa.types.is_date(column.type):
        raise LineError(f"`{name}` is a date: a moment is meant")
    if isinstance(column.type, pa.JsonType):
        texts = column.cast(pa.string()).to_pylist()
        return [None if text is None else _document(name, text) for text in texts]
    if pa.types.is_map(column.type):
        return [None if one is None else dict(one) for one in column.to_pylist()]
    values: list[object] = column.to_pylist()
    if name in STRUCTURES and _is_text(column.type):
        return [None if one is None else cell(name, str(one)) for one in values]
    if name == "payload":
        # Of a document as a struct the nulls are fields that are not there.
        return [_without_nulls(one) for one in values]
    return [_plain(one) for one in values]


def _document(name: str, text: str) -> object:
    """What a column of JSON says; a payload stays as it is written."""
    return msgspec.Raw(text.encode()) if name == "payload" else json.loads(text)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_nulls(inner) for k, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {k: inner for k, inner in value.items() if inner is not None}
    if isinstance(value, list):
        # Headers may come as structs of name and value.
        return [list(one.values()) if isinstance(one, dict) else one for one in value]
    return value
