"""From a record's bytes to an event: one compiled reader per topic."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from collector.event import Event
from collector.places import Place, as_text, parse_place, walk
from collector.redact import MASK, Headers, Redaction
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


def headers_json(headers: Headers) -> str:
    """All headers in order, repeated ones too; values that are not UTF-8 as {"hex": "…"}."""
    try:
        pairs: list[tuple[str, Any]] = [(k, "" if v is None else v.decode()) for k, v in headers]
    except UnicodeDecodeError:
        pairs = [(k, _header_value(v)) for k, v in headers]
    return _encode(pairs).decode()


def _header_value(raw: bytes | None) -> str | dict[str, str]:
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
        self._name = [_place(p) for p in source.name_from]
        self._id = [_place(p) for p in source.id_from]
        self._time = [_place(p) for p in source.time_from]
        self._correlation = [_place(p) for p in source.correlation]
        self._keys = [(k, [_place(p) for p in s.from_]) for k, s in source.keys.items()]
        redact = [_place(p) for topic_settings in special for p in topic_settings.redact]
        self._redaction = Redaction(redact) if redact else None
        self._decode = self._document_decoder()

    def _document_decoder(self) -> Callable[[bytes], Any]:
        """Decodes only the top-level fields that some place names, and checks the whole."""
        places = [*self._name, *self._id, *self._time, *self._correlation]
        places += [place for _, choices in self._keys for place in choices]
        fields = sorted({str(p.path[0]) for p in places if p.kind == "payload"})
        named = [(f"f{i}", Any, msgspec.field(default=None, name=f)) for i, f in enumerate(fields)]
        needed = msgspec.defstruct("Needed", named, gc=False)
        decoder = msgspec.json.Decoder(needed)
        attributes = [(f, f"f{i}") for i, f in enumerate(fields)]

        def decode(value: bytes) -> dict[str, Any]:
            document = decoder.decode(value)
            return {f: getattr(document, a) for f, a in attributes}

        return decode

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
        # Reversed, so that of repeated headers the first one counts.
        by_name = dict(headers[::-1]) if headers else {}
        key = None if record.key is None else text_of(record.key)
        find = _Finder(by_name, document, key, self._topic)
        if 0 <= record.timestamp < LAST_MS:
            stamp = record.timestamp * US_PER_MS
        else:
            stamp = arrival
            problems.append("no-record-time")
        time = self._event_time(find, stamp, problems)
        name = find.first(self._name)
        if name is None:
            problems.append("no-name")
        ids = find.every(self._correlation)
        if not ids:
            problems.append("no-correlation-id")
        return Event(
            self._source, self._topic, self._topic_id, record.partition, record.offset,
            time, arrival, name or "", ids, find.first(self._id), self._key_values(find),
            key, headers_json(headers) if headers else "[]", payload, encoding, tuple(problems),
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

    def _event_time(self, find: "_Finder", stamp: int, problems: list[str]) -> int:
        for place in self._time:
            if place.kind == "record":
                return stamp
            raw = find.value(place)
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

    def _key_values(self, find: "_Finder") -> tuple[tuple[str, str], ...]:
        if not self._keys:
            return ()
        found = []
        for name, places in self._keys:
            value = find.first(places)
            if value is not None:
                found.append((name, value))
        return tuple(found)


class _Finder:
    """Looks the places of one record up."""

    __slots__ = ("_document", "_headers", "_key", "_topic")

    def __init__(
        self, headers: dict[str, bytes], document: dict[str, Any], key: str | None, topic: str
    ) -> None:
        self._headers, self._document, self._key, self._topic = headers, document, key, topic

    def value(self, place: Place) -> object:
        """The first value at a place, or None."""
        kind = place.kind
        if kind == "header":
            raw = self._headers.get(place.name)
            return text_of(raw) if raw else None
        if kind == "payload":
            if len(place.path) == 1:
                return self._document.get(place.name)
            return next((v for v in walk(self._document, place.path) if v is not None), None)
        return self._key if kind == "key" else self._topic if kind == "topic" else None

    def first(self, places: Sequence[Place]) -> str | None:
        for place in places:
            value = self.value(place)
            if value is not None and (text := as_text(value)) is not None and text != MASK:
                return text
        return None

    def every(self, places: Sequence[Place]) -> tuple[str, ...]:
        """All values of the first place that has any: a path with [*] may yield many."""
        for place in places:
            if place.kind == "payload":
                values = [as_text(v) for v in walk(self._document, place.path)]
            else:
                values = [as_text(self.value(place))]
            found = tuple(dict.fromkeys(v for v in values if v is not None and v != MASK))
            if found:
                return found
        return ()


def _place(text: str) -> Place:
    place = parse_place(text)
    assert place is not None, text  # the settings have checked it
    return place
