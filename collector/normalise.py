"""One spelling for each correlation ID, where its producers have several."""

import re
from collections.abc import Callable

from collector.settings import Normalise

_UUID = re.compile(
    r"(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?"
)


def _uuid(text: str) -> str:
    """A UUID in lower case with dashes, however it was written; other texts as they are."""
    match = _UUID.fullmatch(text.strip().lower())
    return text if match is None else "-".join(match.groups())


NORMALISERS: dict[Normalise, Callable[[str], str]] = {
    "none": lambda text: text,
    "lower": str.lower,
    "uuid": _uuid,
}
