"""Values that nobody may read, and that still tie and can be searched: a keyed hash of them."""

import hmac
import re
from collections.abc import Callable, Iterable

from collector.normalise import NORMALISERS
from collector.settings import SourceSettings

_HASHED = re.compile(r"hash:[0-9a-f]{32}")


class Hasher:
    """HMAC-SHA256, its first 128 bits. What was hashed before stays as it is."""

    def __init__(self, key: str, normalise: Callable[[str], str]) -> None:
        self._key = key.encode()
        self._normalise = normalise

    def __call__(self, text: str) -> str:
        """Texts that are one correlation ID in different spellings have one hash."""
        if _HASHED.fullmatch(text):
            return text
        plain = self._normalise(text).encode("utf-8", "surrogatepass")
        return "hash:" + hmac.digest(self._key, plain, "sha256")[:16].hex()


def spellings(sources: Iterable[SourceSettings], text: str) -> list[str]:
    """All that a text, as a person types it, may be stored as: what a search looks for."""
    found = {text: None}
    for source in sources:
        special = source.topics.values()
        for how in {source.normalise, *(one.normalise or "none" for one in special)}:
            normalise = NORMALISERS[how]
            found[normalise(text)] = None
            if source.hash_key is not None:
                found[Hasher(source.hash_key.get_secret_value(), normalise)(text)] = None
    return list(found)
