"""JSON: what most payloads are."""

import msgspec

from collector.codecs.content import Content, Needs
from collector.lookup import Texts


class Json:
    """A payload that is no JSON is kept as text or hex, with the reason."""

    def __init__(self, needs: Needs) -> None:
        fields = needs.fields
        self._decode, self._other, self._nothing = fields.decode, fields.of_other, fields.nothing
        redaction = needs.redaction
        self._redact = redaction.payload if redaction and redaction.of_payload else None

    def __call__(self, value: bytes, texts: Texts) -> Content:
        return self.read(value)

    def read(self, value: bytes, encoding: str = "json") -> Content:
        """`encoding` is what the payload is called when it is sound."""
        nothing = self._nothing
        if self._redact is not None:
            redacted = self._redact(value)
            if redacted is None:
                return Content(nothing, None, "none", ("unredactable",))
            value = redacted
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return Content(nothing, value.hex(), "hex", ("not-utf8",))
        try:
            try:
                return Content(self._decode(value), text, encoding)
            except msgspec.ValidationError:
                # A list or a plain value has no fields to look into; what follows may be unsound.
                return Content(self._other(value), text, encoding)
        except msgspec.ValidationError:
            return Content(nothing, text, encoding, ("number-out-of-range",))
        except (msgspec.DecodeError, RecursionError):
            return Content(nothing, text, "text", ("bad-json" if text else "empty-payload",))
