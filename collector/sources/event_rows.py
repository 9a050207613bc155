"""The lines of JSON, the rows of CSV and of Parquet, all as event lines."""

import csv
import difflib
import io
import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa

from collector.sources.event_line import EventLine, LineError, line_of

PARQUET = b"PAR1"
BOM = b"\xef\xbb\xbf"
FIELDS = EventLine.__struct_fields__
REQUIRED = ("name", "time")
ROWS = 5_000
LONGEST = 64 << 20
"""Bytes of a line or a cell: more is no event, and would fill the memory."""
MEANT = "An event line is one JSON object with `name` and `time` at least"
NUMBERS = frozenset(("partition", "offset"))
STRUCTURES = frozenset(("keys", "headers", "problems"))


class Rows(ABC):
    """Some form of event lines. `unit` stands before their number where a mistake is told."""

    unit = ""
    number = 0
    """Of the line that was read last."""

    @abstractmethod
    def lines(self) -> Iterator[tuple[int, EventLine]]:
        """Each with its number; raises LineError for the one that `number` names."""

    @abstractmethod
    def done(self) -> int:
        """Bytes read so far."""


def rows_of(file: io.BufferedReader, path: Path) -> Rows:
    """As what the first bytes and the name of a file say that it is."""
    head = file.peek(4096)
    if head.startswith(PARQUET):
        return ParquetRows(file if file.seekable() else _copied(file))
    text = head.removeprefix(BOM).lstrip()
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return Wrong("this is no Parquet file, by its first bytes")
    if suffix == ".csv" or (not text.startswith(b"{") and _titles(text) >= set(REQUIRED)):
        return CsvRows(file)
    if text.startswith(b"["):
        return Wrong("this is a JSON array: write one object a line (`jq -c '.[]'` does)")
    return JsonLines(file)


def _titles(text: bytes) -> set[str]:
    first = text.partition(b"\n")[0].decode("utf-8", "replace")
    return {title.strip().strip('"') for title in first.split(",")}


def _copied(pipe: BinaryIO) -> BinaryIO:
    """Parquet is read from its end: what comes through a pipe must lie somewhere first."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115  # it is gone when nobody holds it
    shutil.copyfileobj(pipe, copy, 1 << 20)
    copy.seek(0)
    return copy


class Wrong(Rows):
    """What is no file of events."""

    def __init__(self, why: str) -> None:
        self._why = why
        self.number = 1

    def lines(self) -> Iterator[tuple[int, EventLine]]:
        raise LineError(self._why)
        yield

    def done(self) -> int:
        return 0


class JsonLines(Rows):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._done = 0

    def lines(self) -> Iterator[tuple[int, EventLine]]:
        readline = self._file.readline
        while raw := readline(LONGEST):
            self.number += 1
            self._done += len(raw)
            if self.number == 1:
                raw = raw.removeprefix(BOM)
            if len(raw) == LONGEST:
                raise LineError(f"longer than {LONGEST >> 20} MB: this is no event line")
            if raw.strip():
                try:
                    line = line_of(raw)
                except LineError as error:
                    cut = "" if raw.endswith(b"\n") else "; the file ends within this line"
                    raise LineError(f"{error}{cut}. {MEANT}") from error
                yield self.number, line

    def done(self) -> int:
        return self._done


class CsvRows(Rows):
    """A header line that names the columns; `keys`, `headers` and lists are JSON texts."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._done = 0

    def lines(self) -> Iterator[tuple[int, EventLine]]:
        csv.field_size_limit(LONGEST)
        self.number = 1
        reader = csv.reader(self._texts(), strict=True)
        try:
            titles = [title.strip() for title in next(reader, [])]
            columns = _columns(titles)
            for cells in reader:
                self.number = reader.line_num
                if not cells:
                    continue
                if len(cells) != len(titles):
                    raise LineError(f"{len(cells)} cells under {len(titles)} titles")
                row = {n: _cell(n, c) for n, c in zip(titles, cells, strict=True) if n in columns}
                yield self.number, _line(row)
        except csv.Error as error:
            self.number = reader.line_num
            raise LineError(f"this is not CSV: {error}") from error

    def _texts(self) -> Iterator[str]:
        for number, raw in enumerate(iter(self._file.readline, b""), 1):
            self._done += len(raw)
            try:
                yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                self.number = number
                raise LineError(f"this is not UTF-8: {error.reason}") from error

    def done(self) -> int:
        return self._done


def _cell(name: str, text: str) -> object:
    """An empty cell says nothing."""
    if text == "":
        return None
    if name in NUMBERS:
        try:
            return int(text)
        except ValueError:
            raise LineError(f"`{name}` is {text!r}: a number is meant") from None
    listed = name == "correlation_id" and text.startswith("[")
    if name in STRUCTURES or listed:
        try:
            return json.loads(text)
        except ValueError:
            if listed:
                return text
            raise LineError(f"`{name}` is no JSON: {text[:40]!r}") from None
    return text


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
            columns = _columns(opened.schema_arrow.names)
            groups = opened.num_row_groups
            for group in range(groups):
                for batch in opened.iter_batches(ROWS, row_groups=[group], columns=columns):
                    yield from self._rows(batch)
                self._share = (group + 1) / groups
        except pa.ArrowException as error:
            self.number += 1
            raise LineError(f"this Parquet file cannot be read: {error}") from error

    def _rows(self, batch: pa.RecordBatch) -> Iterator[tuple[int, EventLine]]:
        columns = {
            name: _values(name, column)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        for values in zip(*columns.values(), strict=True):
            self.number += 1
            yield self.number, _line(dict(zip(columns, values, strict=True)))

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
        return [None if one is None else _cell(name, str(one)) for one in values]
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


def _columns(titles: Iterable[str]) -> list[str]:
    """Those that an event line has. One that is nearly called like one is a mistake."""
    titles = list(titles)
    missing = [name for name in REQUIRED if name not in titles]
    for title in titles:
        if title not in FIELDS:
            near = difflib.get_close_matches(title, [f for f in FIELDS if f not in titles], 1, 0.8)
            if near:
                raise LineError(f"there is no column `{title}`; did you mean `{near[0]}`?")
    if missing:
        there = ", ".join(titles[:12]) or "none"
        raise LineError(f"no column `{missing[0]}` (there are: {there}): rename the one meant")
    twice = next((title for title in titles if title in FIELDS and titles.count(title) > 1), None)
    if twice is not None:
        raise LineError(f"two columns are called `{twice}`")
    return [title for title in titles if title in FIELDS]


def _line(row: dict[str, Any]) -> EventLine:
    """A row as a line of JSON would have been read: what is null there is not said here."""
    said = {name: value for name, value in row.items() if value is not None}
    payload = said.pop("payload", None)
    if isinstance(payload, bytes):
        try:
            payload = payload.decode("utf-8")
        except UnicodeDecodeError:
            payload, said["encoding"] = payload.hex(), "hex"
    try:
        line = msgspec.convert(said, EventLine)
        if payload is not None:
            line.payload = msgspec.Raw(msgspec.json.encode(payload))
    except (msgspec.MsgspecError, TypeError) as error:
        raise LineError(str(error)) from error
    return line
