"""What must never be stored: fields and headers are masked before anything else looks at them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from collector.places import Place

MASK = "[redacted]"

Headers = Sequence[tuple[str, bytes]]


class Redaction:
    """The masks of one topic."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._headers = {place.name.lower() for place in places if place.kind == "header"}
        self._paths = [place.path for place in places if place.kind == "payload"]

    def headers(self, headers: Headers) -> Headers:
        """The headers with the values of the named ones masked, whatever their case."""
        if not self._headers:
            return headers
        mask = MASK.encode()
        return [(k, mask if k.lower() in self._headers else v) for k, v in headers]

    def payload(self, value: bytes) -> bytes | None:
        """The payload with its paths masked; None when it cannot be read, and so not be kept."""
        if not self._paths:
            return value
        try:
            document = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return None
        for path in self._paths:
            _mask(document, path)
        return msgspec.json.encode(document)


def _mask(document: Any, path: tuple[str | int, ...]) -> None:
    step, rest = path[0], path[1:]
    for index in _places(document, step):
        if rest:
            _mask(document[index], rest)
        else:
            document[index] = MASK


def _places(document: Any, step: str | int) -> list[str | int]:
    """The keys or indices of a JSON value that a step names."""
    if isinstance(document, list):
        if step == "*":
            return list(range(len(document)))
        return [step] if isinstance(step, int) and step < len(document) else []
    return [step] if isinstance(document, dict) and step in document else []
