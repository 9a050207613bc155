"""Text and bytes: payloads that are what they are."""

from collector.codecs.content import Content, Needs, kept_raw
from collector.lookup import Texts


class Text:
    """No places can look into it; what is not UTF-8 is hex, with the reason."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs

    def __call__(self, value: bytes, texts: Texts) -> Content:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return kept_raw(value, self._needs, "not-utf8")
        raw = kept_raw(value, self._needs)
        return raw if raw.payload is None else Content(raw.values, text, "text")


class Bytes:
    """Stored as hex."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs

    def __call__(self, value: bytes, texts: Texts) -> Content:
        return kept_raw(value, self._needs)
