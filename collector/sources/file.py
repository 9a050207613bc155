"""The file source: event lines (JSON Lines), read to the end and then followed as they grow."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import BinaryIO

import msgspec

from collector.batch import Batch, PartitionState
from collector.completeness import WINDOW
from collector.errors import SourceError
from collector.event import Event
from collector.readers import Readers
from collector.settings import FileSettings, SourceSettings
from collector.sources.condition import Condition, by_topic
from collector.sources.event_line import EventLineReader, LineError

MAX_LINES = 20_000
WAIT_S = 0.2
OF_A_LONGER_STORY = -1
"""As the first offset: the file is read from its first byte, and more happened before that."""


class FileTap:
    """One file as one partition; where reading goes on is a byte.

    The end of a file is not a deadline: completeness goes to the last time that was read, and
    waits there. So there is nothing for `grace` to cover, and a line does not say when its record
    was published: of that nothing is told.
    """

    paced = False

    def __init__(
        self,
        settings: SourceSettings,
        resume: Sequence[PartitionState],
        clock: Callable[[], int],
    ) -> None:
        assert settings.file is not None
        self.name = settings.name
        self._settings = settings
        self._file: FileSettings = settings.file
        self._clock = clock
        self.readers = Readers(settings, clock)
        path = str(self._file.path)
        self._state = next(
            (state for state in resume if state.topic == path),
            PartitionState(settings.name, path, path, 0, 0, OF_A_LONGER_STORY),
        )
        self._state.retired = False
        # Another file was read under this name once: it holds no judgement back.
        self._former = [
            msgspec.structs.replace(state, retired=True) for state in resume if state.topic != path
        ]
        self._lines = EventLineReader(settings, path, self.readers)
        self._last: list[int] = []
        self._line_number = 0
        self._since = clock()

    async def start(self) -> None:
        try:
            with self._file.path.open("rb") as file:
                # Line numbers are positions: count the lines that were read before.
                self._line_number = _lines_before(file, self._state.next_offset)
        except OSError as error:
            raise SourceError(
                f"source {self.name}: {self._file.path} cannot be read: {error.strerror}"
            ) from error

    async def stop(self) -> None:
        pass

    def condition(self) -> Condition:
        return Condition(
            "file", "reading", self._since,
            skipped=by_topic(self.readers.skipped()),
            problems=by_topic(self.readers.problems()),
        )  # fmt: skip

    async def poll(self) -> Batch:
        begin = self._state.next_offset
        try:
            batch = self._read()
        except OSError as error:
            raise SourceError(
                f"source {self.name}: {self._file.path} cannot be read any more: {error.strerror}"
            ) from error
        if self._state.next_offset == begin:
            await asyncio.sleep(WAIT_S)
        return batch

    def _read(self) -> Batch:
        now, state = self._clock(), self._state
        batch = Batch(now=now, may_repeat=True, partitions=self._former)
        self._former = []
        times: list[int] = []
        with self._file.path.open("rb") as file:
            file.seek(state.next_offset)
            size = os.fstat(file.fileno()).st_size
            for _ in range(MAX_LINES):
                line = file.readline()
                if not line.endswith(b"\n"):
                    break  # a line that is still being written
                self._line_number += 1
                state.next_offset += len(line)
                if line.strip() and (event := self._event(line, now, times)) is not None:
                    batch.events.append(event)
        self._seen(times, now, at_end=state.next_offset >= size)
        state.high_watermark = size
        # A copy: the next poll moves the state on while this batch waits for its commit.
        batch.partitions.append(msgspec.structs.replace(state))
        return batch

    def _seen(self, times: list[int], now: int, *, at_end: bool) -> None:
        """Moves completeness on, after events of these times were read."""
        state = self._state
        self._last = [*self._last, *times][-WINDOW:]
        if times:
            state.seen_from = min(times) if state.seen_from is None else state.seen_from
        if self._last:
            moment = max(self._last) if at_end else min(self._last)
            state.complete_to = max(state.complete_to, min(moment, now))

    def _event(self, line: bytes, now: int, times: list[int]) -> Event | None:
        try:
            event = self._lines.event(line, self._line_number, now)
        except LineError as error:
            # It has no time: what it has instead says nothing of how far the file was seen.
            return self._lines.broken(line, self._line_number, now, str(error))
        times.append(event.time)
        return self._lines.kept(event)


def _lines_before(file: BinaryIO, end: int) -> int:
    count = 0
    while end > 0:
        chunk = file.read(min(end, 1 << 20))
        if not chunk:
            break
        count += chunk.count(b"\n")
        end -= len(chunk)
    return count
