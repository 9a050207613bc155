"""CSV as event lines."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from collector.sources.event_columns import cell, columns_of, line_of_row
from collector.sources.event_line import EventLine, LineError
from collector.sources.rows import LONGEST, Rows


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
            columns = columns_of(titles)
            for cells in reader:
                self.number = reader.line_num
                if not cells:
                    continue
                if len(cells) != len(titles):
                    raise LineError(f"{len(cells)} cells under {len(titles)} titles")
                row = {n: cell(n, c) for n, c in zip(titles, cells, strict=True) if n in columns}
                yield self.number, line_of_row(row)
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
