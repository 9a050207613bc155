"""What must never be stored as it came: redacted before anything else looks at it."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from collector.payload import UNDECODABLE, from_base64
from collector.places import Place, as_text
from collector.record import Headers, text_of

MASK = "[redacted]"
_GONE = object()

Replace = Callable[[Any], Any]
"""From a value to what is stored in its place; _GONE: nothing."""


@dataclass(frozen=True)
class Redact:
    """One place whose value is masked, dropped, or hashed."""

    place: Place
    how: Literal["mask", "drop", "hash"] = "mask"


class Redaction:
    """The redactions of one topic."""

    def __init__(self, rules: Sequence[Redact], hashed: Callable[[str], str] | None) -> None:
        self._headers: dict[str, Replace] = {}
        self._attributes: list[tuple[str, Replace]] = []
        self._paths: list[tuple[tuple[str | int, ...], Replace]] = []
        self._key: Replace | None = None
        for rule in rules:
            place, replace = rule.place, _replacing(rule.how, hashed)
            if place.kind == "header":
                self._headers[place.name.lower()] = replace
            elif place.kind == "attribute":
                self._headers[f"ce_{place.name}"] = replace
                self._attributes.append((place.name, replace))
            elif place.kind == "payload":
                self._paths.append((place.path, replace))
            elif place.kind == "key":
                self._key = replace

    @property
    def of_payload(self) -> bool:
        """Whether payloads must be read before they may be stored."""
        return bool(self._paths)

    @property
    def of_envelope(self) -> bool:
        return bool(self._paths or self._attributes)

    def headers(self, headers: Headers) -> Headers:
        """The headers with the named ones redacted, whatever their case."""
        if not self._headers:
            return headers
        found = []
        for name, raw in headers:
            replace = self._headers.get(name.lower())
            value = raw if replace is None else _replaced(raw or b"", replace)
            if value is not _GONE:
                found.append((name, value))
        return found

    def key(self, key: bytes) -> bytes | None:
        if self._key is None:
            return key
        value = _replaced(key, self._key)
        return None if value is _GONE else value

    def payload(self, value: bytes) -> bytes | None:
        """A JSON payload, redacted; None when it cannot be read, and so not be kept."""
        if not self._paths:
            return value
        try:
            return msgspec.json.encode(self._document(msgspec.json.decode(value)))
        except (*UNDECODABLE, LookupError):
            return None

    def envelope(self, value: bytes) -> bytes | None:
        """A structured CloudEvent: attributes, and paths within its data; None as above."""
        if not self.of_envelope:
            return value
        try:
            envelope = msgspec.json.decode(value)
            if not isinstance(envelope, dict):
                return None
            for name, replace in self._attributes:
                _redact(envelope, (name,), replace)
            if "data" in envelope:
                envelope["data"] = self._document(envelope["data"])
            if self._paths and "data_base64" in envelope:
                envelope["data_base64"] = self._base64(envelope["data_base64"])
            return msgspec.json.encode(envelope)
        except (*UNDECODABLE, LookupError):
            return None

    def _document(self, document: Any) -> Any:
        if self._paths and isinstance(document, str):
            # A text may be another document, in which nothing was looked for.
            raise LookupError("a text has no fields")
        for path, replace in self._paths:
            _redact(document, path, replace)
        return document

    def _base64(self, encoded: object) -> str:
        raw = from_base64(encoded) if isinstance(encoded, str) else None
        redacted = None if raw is None else self.payload(raw)
        if redacted is None:
            raise LookupError("data_base64 is no JSON")
        return base64.b64encode(redacted).decode()


def _replacing(how: str, hashed: Callable[[str], str] | None) -> Replace:
    if how == "drop":
        return lambda value: _GONE
    if how == "mask":
        return lambda value: MASK
    assert hashed is not None  # the settings have seen to it
    known = hashed

    def hash_of(value: Any) -> Any:
        if value is None or value == "":
            return value
        text = as_text(value)
        # An object or a list is no identifier: nobody would search for it.
        return MASK if text is None else known(text)

    return hash_of


def _replaced(raw: bytes, replace: Replace) -> Any:
    value = replace(text_of(raw))
    return value if value is _GONE else value.encode()


def _redact(document: Any, path: tuple[str | int, ...], replace: Replace) -> None:
    step, rest = path[0], path[1:]
    for index in _steps(document, step):
        if rest:
            _redact(document[index], rest, replace)
            continue
        value = replace(document[index])
        if value is not _GONE:
            document[index] = value
        elif isinstance(document, dict):
            del document[index]
        else:
            document[index] = None  # the others keep their places


def _steps(document: Any, step: str | int) -> list[Any]:
    """The keys or indices of a JSON value that a step names."""
    if isinstance(document, list):
        if step == "*":
            return list(range(len(document)))
        return [step] if isinstance(step, int) and step < len(document) else []
    return [step] if isinstance(document, dict) and step in document else []
