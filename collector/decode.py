"""From a record's bytes to an event: one compiled reader per topic."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from collector.event import Event
from collector.lookup import Document, Texts, every_of, first_of, lookup
from collector.places import Place, parse_place
from collector.redact import Headers, Redaction
from collector.settings import SourceSettings, TopicSettings
from collector.times import US_PER_MS, parse_time

YEAR_2000 = 946_684_800_000_000
DAY = 86_400_000_000
LAST_MS = 10**14
"""No calendar and no column holds what lies far behind the year 5000."""

_encode = msgspec.json.encode


class Record(Protocol):
    """What every bus can give; `timestamp` in ms, negative when the bus has none."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


def text_of(raw: bytes) -> str:
    """UTF-8, else its hex: an identifier is never lost to an encoding."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.hex()


def read_headers(headers: Headers) -> tuple[dict[str, str], str]:
    """Each name's first value as text; and all of them as JSON, in order, repeated ones too."""
    try:
        pairs: list[tuple[str, Any]] = [(k, v.decode() if v else "") for k, v in headers]
        texts = dict(pairs)
    except UnicodeDecodeError:
        pairs = [(k, _header_value(v)) for k, v in headers]
        texts = {k: text_of(v or b"") for k, v in headers}
    if len(texts) != len(pairs):
        texts = {k: text_of(v or b"") for k, v in reversed(headers)}
    return texts, _encode(pairs).decode()


def _header_value(raw: bytes | None) -> str | dict[str, str]:
    """A value that is not UTF-8 is {"hex": "…"}."""
    try:
        return (raw or b"").decode()
    except UnicodeDecodeError:
        return {"hex": (raw or b"").hex()}


class Reader:
    """Reads the records of one topic of one source as its settings say."""

    def __init__(
        self, source: SourceSettings, topic: str, topic_id: str, special: Sequence[TopicSettings]
    ) -> None:
        self._source, self._topic, self._topic_id = source.name, topic, topic_id
        name, id = _places(source.name_from), _places(source.id_from)
        time, correlation = _places(source.time_from), _places(source.correlation)
        keys = {key: _places(settings.from_) for key, settings in source.keys.items()}
        self._name, self._id = first_of(name, topic), first_of(id, topic)
        self._time = [(place.kind == "record", lookup(place, topic)) for place in time]
        self._correlation = every_of(correlation, topic)
        self._keys = [(key, first_of(places, topic)) for key, places in keys.items()]
        redact = _places([text for settings in special for text in settings.redact])
        self._redaction = Redaction(redact) if redact else None
        every_place = [*name, *id, *time, *correlation, *(p for ps in keys.values() for p in ps)]
        self._decode = _document_decoder(every_place)

    def event(self, record: Record, arrival: int) -> Event:
        """The record as an event; whatever could not be read is named in its problems."""
        problems: list[str] = []
        headers, value = record.headers, record.value
        if self._redaction is not None:
            headers = self._redaction.headers(headers)
            if value is not None:
                value = self._redaction.payload(value)
                if value is None:
                    problems.append("unredactable")
        document, payload, encoding = self._payload(value, problems)
        texts, headers_text = read_headers(headers) if headers else ({}, "[]")
        key = None if record.key is None else text_of(record.key)
        if 0 <= record.timestamp < LAST_MS:
            stamp = record.timestamp * US_PER_MS
        else:
            stamp = arrival
            problems.append("no-record-time")
        time = self._event_time(texts, document, key, stamp, problems)
        name = self._name(texts, document, key)
        if name is None:
            problems.append("no-name")
        ids = self._correlation(texts, document, key)
        if not ids:
            problems.append("no-correlation-id")
        keys = [(k, v) for k, find in self._keys if (v := find(texts, document, key)) is not None]
        return Event(
            self._source, self._topic, self._topic_id, record.partition, record.offset,
            time, arrival, name or "", ids, self._id(texts, document, key), tuple(keys),
            key, headers_text, payload, encoding, tuple(problems),
        )  # fmt: skip

    def _payload(
        self, value: bytes | None, problems: list[str]
    ) -> tuple[dict[str, Any], str | None, str]:
        if value is None:
            return {}, None, "none"
        try:
            text = value.decode()
        except UnicodeDecodeError:
            problems.append("not-utf8")
            return {}, value.hex(), "hex"
        try:
            try:
                return self._decode(value), text, "json"
            except msgspec.ValidationError:
                # A list or a plain value has no fields to look into; what follows may be unsound.
                msgspec.json.decode(value)
        except msgspec.ValidationError:
            problems.append("number-out-of-range")
        except (msgspec.DecodeError, RecursionError):
            problems.append("bad-json" if text else "empty-payload")
            return {}, text, "text"
        return {}, text, "json"

    def _event_time(
        self, texts: Texts, document: Document, key: str | None, stamp: int, problems: list[str]
    ) -> int:
        for is_record, look in self._time:
            if is_record:
                return stamp
            raw = look(texts, document, key)
            if raw is None:
                continue
            time = parse_time(raw)
            if time is None:
                problems.append("time-unreadable")
            elif time < YEAR_2000 or time > stamp + DAY:
                problems.append("time-implausible")
            else:
                return time
            return stamp
        return stamp


def _document_decoder(places: Sequence[Place]) -> Callable[[bytes], Document]:
    """Decodes only the top-level fields that some place names, and checks the whole."""
    fields = sorted({str(p.path[0]) for p in places if p.kind == "payload"})
    named = [(f"f{i}", Any, msgspec.field(default=None, name=f)) for i, f in enumerate(fields)]
    needed = msgspec.defstruct("Needed", named, gc=False)
    decoder = msgspec.json.Decoder(needed)

    def decode(value: bytes) -> Document:
        return dict(zip(fields, msgspec.structs.astuple(decoder.decode(value)), strict=True))

    return decode


def _places(texts: Sequence[str]) -> list[Place]:
    places = [parse_place(text) for text in texts]
    assert None not in places, texts  # the settings have checked them
    return [place for place in places if place is not None]
