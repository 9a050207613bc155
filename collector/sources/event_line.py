"""The event line of the contract: one JSON object an event, as `export` writes and all read."""

from typing import Annotated, Any

import msgspec

from collector.decode import Reader
from collector.event import Event
from collector.payload import UNDECODABLE
from collector.places import as_text
from collector.readers import Readers
from collector.record import text_of
from collector.settings import SourceSettings
from collector.times import US_PER_MS, parse_time

PartitionNumber = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class LineError(Exception):
    """The line is no event line; the text says why."""


class EventLine(msgspec.Struct):
    """Only `name` and `time` are required; without a position the line number is one."""

    name: str
    time: str | int | float
    source: str | None = None
    topic: str | None = None
    topic_id: str | None = None
    partition: PartitionNumber | None = None
    offset: Offset | None = None
    arrival: str | int | float | None = None
    correlation_id: str | int | list[str | int] | None = None
    id: str | int | None = None
    keys: dict[str, str | int] = {}
    key: str | None = None
    headers: list[tuple[str, Any]] = []
    payload: msgspec.Raw = msgspec.Raw(b"null")
    encoding: str | None = None
    """Of an exported event: what its payload was, where its text alone does not tell."""
    problems: list[str] | None = None


_decoder = msgspec.json.Decoder(EventLine)


def line_of(raw: bytes) -> EventLine:
    """What stands on a line; raises LineError."""
    try:
        return _decoder.decode(raw)
    except UNDECODABLE as error:
        raise LineError(str(error)) from error


class _Record(msgspec.Struct):
    """A line as the record that it once was, so that one reader serves bus and file."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class EventLineReader:
    """Reads lines as events of one source. Without a correlation ID, the configuration finds it."""

    def __init__(self, settings: SourceSettings, path: str, readers: Readers) -> None:
        self._settings = settings
        self._path = path
        self._readers = readers

    def event(self, raw: bytes, number: int, now: int) -> Event:
        """The line as an event, before it is said what of it is kept; raises LineError."""
        return self.event_of(line_of(raw), number, now)

    def event_of(self, line: EventLine, number: int, now: int | None = None) -> Event:
        """The same of a line that was read. `now`: when it arrived, if the line does not say so
        that it can be read. None: when it happened, and what cannot be read is a mistake."""
        time = parse_time(line.time)
        if time is None:
            raise LineError(f"`time` is {line.time!r}: write RFC 3339 with a zone, or epoch ms")
        strict = now is None
        now = time if now is None else now
        reader = self._reader(line)
        event = reader.read(self._record(line, number, time), now)
        event.name, event.time = line.name, time
        if line.arrival is not None:
            arrival = parse_time(line.arrival)
            if arrival is None and strict:
                what = "write RFC 3339 with a zone, or epoch ms"
                raise LineError(f"`arrival` is {line.arrival!r}: {what}")
            event.arrival = now if arrival is None else arrival
        if line.correlation_id is not None:
            given = (
                line.correlation_id
                if isinstance(line.correlation_id, list)
                else ([line.correlation_id])
            )
            # As on a bus: each ID once, and an empty one is none.
            event.correlation_ids = reader.normalised([str(one) for one in given if one != ""])
        if line.id is not None:
            event.id = str(line.id)
        if line.keys:
            event.keys = tuple((k, str(v)) for k, v in line.keys.items())
        told = ("no-name", "no-correlation-id", "time-unreadable", "time-implausible")
        missing = ["no-name"] if not line.name else []
        missing += ["no-correlation-id"] if not event.correlation_ids else []
        event.problems = (*(p for p in event.problems if p not in told), *missing)
        if line.encoding is not None:
            _as_exported(event, line.encoding, line.problems or [])
        return event

    def kept(self, event: Event) -> Event | None:
        """The event as it is to be stored, if it is."""
        return self._readers.of(event.topic, event.topic_id).kept(event)

    def _reader(self, line: EventLine) -> Reader:
        topic = line.topic or self._path
        return self._readers.of(topic, line.topic_id or topic)

    @staticmethod
    def _record(line: EventLine, number: int, time: int) -> _Record:
        return _Record(
            line.partition or 0,
            number if line.offset is None else line.offset,
            time // US_PER_MS,
            None if line.key is None else line.key.encode(),
            _value(line),
            [(name, _header_bytes(inner)) for name, inner in line.headers],
        )

    def broken(self, raw: bytes, number: int, now: int, why: str) -> Event:
        """A line that is no event line: stored as what it is, with the reason.

        Where something must be redacted, and cannot be found in it, it is not kept.
        """
        secret = any(special.redact for special in self._settings.topics.values())
        text = None if secret else text_of(raw.rstrip(b"\r\n"))
        return Event(
            self._settings.name, self._path, self._path, 0, number, now, now, "",
            payload=text, encoding="none" if secret else "text",
            problems=(f"bad-line: {why}", *(("unredactable",) if secret else ())),
        )  # fmt: skip


def _value(line: EventLine) -> bytes | None:
    """The payload as it was on the bus; a string is its own text, JSON or not."""
    raw = bytes(line.payload)
    if raw == b"null":
        return None
    if not raw.startswith(b'"'):
        return raw
    text: str = msgspec.json.decode(raw, type=str)
    if line.encoding == "hex":
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise LineError("`payload` is no hex, and `encoding` says so") from error
    return text.encode("utf-8", "surrogatepass")


def _as_exported(event: Event, encoding: str, problems: list[str]) -> None:
    """What was known of an event when it was stored first, and cannot be read off its line."""
    if (event.encoding, encoding) in (("json", "avro"), ("json", "text"), ("none", "not-kept")):
        event.encoding = encoding
    told_now = [p for p in event.problems if p == "unredactable" or p.startswith("truncated:")]
    event.problems = tuple(dict.fromkeys([*problems, *told_now]))


def _header_bytes(value: object) -> bytes:
    if isinstance(value, dict) and isinstance(value.get("hex"), str):
        try:
            return bytes.fromhex(value["hex"])
        except ValueError:
            return str(value["hex"]).encode()
    return (as_text(value) or "").encode()
