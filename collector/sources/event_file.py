"""A file of events that is read once, from its first to its last: every mistake in it is told."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from collector.errors import ConfigurationError
from collector.event import Event
from collector.progress import Report, unwatched
from collector.readers import Readers
from collector.settings import FileSettings, SourceSettings
from collector.sources.event_line import EventLine, EventLineReader, LineError
from collector.sources.event_rows import rows_of
from collector.sources.rows import Rows

BATCH = 10_000
NAMELESS = "file"
"""The source of lines that name none, where none is configured."""


class EventFileError(ConfigurationError):
    """The file holds something that is no event; the text says where, and what would be one."""


class EventFile:
    """Event lines, or the same as Parquet or CSV; `-` is standard input.

    What a line does not say is found as the source that it names is configured. Where it says
    nothing of its arrival, it came when it happened.
    """

    def __init__(self, path: Path, sources: Sequence[SourceSettings] = ()) -> None:
        self.path = path
        self._piped = str(path) == "-"
        self._where = "standard input" if self._piped else str(path)
        self._topic = "-" if self._piped else str(path.absolute())
        self._configured = {source.name: _as_lines(source) for source in sources}
        self._of_none = next(iter(self._configured.values()), _source(NAMELESS))
        self._readers: dict[str | None, EventLineReader] = {}
        self._first: dict[tuple[str | None, int | None], int] = {}
        """By topic and partition the least offset that a line gave."""

    def batches(self, report: Report = unwatched) -> Iterator[list[Event]]:
        """All events that are kept, some thousands at a time; raises EventFileError."""
        with self._opened() as file:
            size = 0 if self._piped else self.path.stat().st_size
            rows = rows_of(file, self.path)
            batch: list[Event] = []
            count = 0
            for number, line in _told(rows, self._where):
                count += 1
                event = self._event(number, line, rows.unit)
                if event is not None:
                    batch.append(event)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
                    report(rows.done(), size)
            if not count:
                raise EventFileError(
                    f"{self._where} holds no event: write one JSON object a line, as "
                    "`nonevent export` does"
                )
            yield batch

    @property
    def begins_late(self) -> bool:
        """Whether some partition's records had begun before: neither by an offset from 0 nor by
        a line from 1 these are its first."""
        return any(offset > 1 for offset in self._first.values())

    def _opened(self) -> io.BufferedReader:
        try:
            # Standard input stays open when this is closed: it is not ours.
            return open(0, "rb", closefd=False) if self._piped else self.path.open("rb")
        except OSError as error:
            raise EventFileError(f"{self.path} cannot be read: {error.strerror}") from error

    def _event(self, number: int, line: EventLine, unit: str) -> Event | None:
        if line.offset is not None:
            place = (line.topic, line.partition)
            if line.offset < self._first.get(place, line.offset + 1):
                self._first[place] = line.offset
        try:
            reader = self._reader(line.source)
            return reader.kept(reader.event_of(line, number))
        except LineError as error:
            raise EventFileError(f"{self._where}:{unit}{number}: {error}") from error

    def _reader(self, name: str | None) -> EventLineReader:
        reader = self._readers.get(name)
        if reader is None:
            settings = self._settings(name)
            readers = Readers(settings, lambda: 0)  # no schema registry: nothing asks for the time
            reader = self._readers[name] = EventLineReader(settings, self._topic, readers)
        return reader

    def _settings(self, name: str | None) -> SourceSettings:
        if name is None:
            return self._of_none
        configured = self._configured.get(name)
        if configured is not None:
            return configured
        # A source of another configuration: of the two places to look at, the one there is.
        other = self._of_none if len(self._configured) == 1 else _source(NAMELESS)
        return other.model_copy(update={"name": name})


def _told(rows: Rows, where: str) -> Iterator[tuple[int, EventLine]]:
    """The rows, what is wrong with them told as a mistake in this file."""
    try:
        yield from rows.lines()
    except LineError as error:
        raise EventFileError(f"{where}:{rows.unit}{rows.number}: {error}") from error
    except OSError as error:
        raise EventFileError(f"{where} cannot be read: {error.strerror or error}") from error


def _source(name: str) -> SourceSettings:
    return SourceSettings(name=name, file=FileSettings(path=Path("-")))


def _as_lines(source: SourceSettings) -> SourceSettings:
    """As its events look once they were exported: their payloads are decoded."""
    topics = {
        glob: topic.model_copy(update={"format": None}) for glob, topic in source.topics.items()
    }
    format = "auto" if source.format == "avro" else source.format
    return source.model_copy(update={"registry": None, "format": format, "topics": topics})
