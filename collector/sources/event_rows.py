"""What a file of events is by its first bytes, and the simplest form of all: JSON Lines."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from collector.sources.csv_rows import CsvRows
from collector.sources.event_columns import REQUIRED
from collector.sources.event_line import EventLine, LineError, line_of
from collector.sources.parquet_rows import ParquetRows
from collector.sources.rows import LONGEST, Rows

PARQUET = b"PAR1"
COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "unzip"}
"""The first bytes of what has to be unpacked, and what does that to standard output."""
BOM = b"\xef\xbb\xbf"
MEANT = "An event line is one JSON object with `name` and `time` at least"


def rows_of(file: io.BufferedReader, path: Path) -> Rows:
    """As what the first bytes and the name of a file say that it is."""
    head = file.peek(4096)
    if head.startswith(PARQUET):
        return ParquetRows(file if file.seekable() else _copied(file))
    for magic, tool in COMPRESSED.items():
        if head.startswith(magic):
            unpack = f"unzip -p {path.name}" if tool == "unzip" else f"{tool} -dc {path.name}"
            return Wrong(f"this is compressed: `{unpack} | nonevent backtest --events -`")
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
