"""A record as a bus hands it over, and its headers as text."""

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

Headers = Sequence[tuple[str, bytes]]

LAST_MS = 10**14
"""A record's time is below this: no calendar and no column holds what lies far behind."""

_encode = msgspec.json.encode


class Record(Protocol):
    """What every bus can give; `timestamp` in ms, negative when the bus has none."""

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


class PlacedRecord(Record, Protocol):
    """One that knows its partition; those of a bus come by partition."""

    @property
    def partition(self) -> int: ...


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


def content_type(texts: dict[str, str]) -> str | None:
    """The media type that the headers tell, in lower case and without its parameters."""
    said = texts.get("content-type") or texts.get("Content-Type")
    return media_type(said) if said else None


def media_type(text: str) -> str:
    """A content type in lower case, without its parameters."""
    return _media_type(text[:200])


@functools.lru_cache(maxsize=256)
def _media_type(text: str) -> str:
    """A topic has one or two of them."""
    return text.partition(";")[0].strip().lower()


def _header_value(raw: bytes | None) -> str | dict[str, str]:
    """A value that is not UTF-8 is {"hex": "…"}."""
    try:
        return (raw or b"").decode()
    except UnicodeDecodeError:
        return {"hex": (raw or b"").hex()}
