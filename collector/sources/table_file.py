"""The file source where the file is a table: CSV or Parquet, whole when it is read."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import msgspec

from collector.batch import Batch, PartitionState
from collector.errors import SourceError
from collector.event import Event
from collector.settings import SourceSettings
from collector.sources.counting import TABLES
from collector.sources.event_line import EventLine, LineError
from collector.sources.event_rows import rows_of
from collector.sources.file import FileTap
from collector.sources.rows import Rows

MAX_ROWS = 20_000


def is_table(settings: SourceSettings) -> bool:
    """By the file's name: what is still to be written has no first bytes."""
    return settings.file is not None and settings.file.path.suffix.lower() in TABLES


class TableTap(FileTap):
    """Read once to its end, and not followed; where reading goes on is a row."""

    def __init__(
        self,
        settings: SourceSettings,
        resume: Sequence[PartitionState],
        clock: Callable[[], int],
    ) -> None:
        super().__init__(settings, resume, clock)
        self._open: BinaryIO | None = None
        self._rows: Rows | None = None
        self._lines_left: Iterator[tuple[int, EventLine]] = iter(())

    async def start(self) -> None:
        try:
            self._open = file = self._file.path.open("rb")
            self._rows = rows_of(file, self._file.path)
        except OSError as error:
            raise SourceError(
                f"source {self.name}: {self._file.path} cannot be read: {error.strerror}"
            ) from error
        self._lines_left = self._rows.lines()
        self._take(self._state.next_offset)

    async def stop(self) -> None:
        if self._open is not None:
            self._open.close()

    def _take(self, most: int) -> list[tuple[int, EventLine]]:
        try:
            return list(islice(self._lines_left, most))
        except LineError as error:
            rows = self._rows
            place = "" if rows is None else f":{rows.unit}{rows.number}"
            raise SourceError(f"source {self.name}: {self._file.path}{place}: {error}") from error

    def _read(self) -> Batch:
        now, state = self._clock(), self._state
        batch = Batch(now=now, may_repeat=True, partitions=self._former)
        self._former = []
        times: list[int] = []
        taken = self._take(MAX_ROWS)
        for number, line in taken:
            event = self._row(number, line, now, times)
            if event is not None:
                batch.events.append(event)
        state.next_offset += len(taken)
        at_end = len(taken) < MAX_ROWS
        self._seen(times, now, at_end=at_end)
        # How many rows are left a table does not tell.
        state.high_watermark = state.next_offset if at_end else None
        batch.partitions.append(msgspec.structs.replace(state))
        return batch

    def _row(self, number: int, line: EventLine, now: int, times: list[int]) -> Event | None:
        try:
            event = self._lines.event_of(line, number, now)
        except LineError as error:
            return self._lines.broken(msgspec.json.encode(line), number, now, str(error))
        times.append(event.time)
        return self._lines.kept(event)
