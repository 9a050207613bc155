"""CloudEvents. Binary ones are their headers, and a payload of any format; structured ones are
one JSON text of attributes and data."""

import msgspec

from collector.codecs.content import Codec, Content, Needs
from collector.codecs.json import Json
from collector.header_columns import HeaderColumns
from collector.lookup import Texts
from collector.payload import UNDECODABLE, data_of
from collector.places import as_text
from collector.record import content_type, media_type

STRUCTURED = "application/cloudevents+json"
REQUIRED = ("specversion", "id", "source", "type")


class Structured:
    """The envelope is stored whole; places and rules look into its data."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._json = Json(needs)
        redaction = needs.redaction
        self._redact = redaction.envelope if redaction and redaction.of_envelope else None

    def __call__(self, value: bytes, texts: Texts) -> Content:
        nothing = self._needs.fields.nothing
        if self._redact is not None:
            redacted = self._redact(value)
            if redacted is None:
                return Content(nothing, None, "none", ("unredactable",), None, True)
            value = redacted
        try:
            envelope = msgspec.json.decode(value)
        except UNDECODABLE:
            envelope = None
        if not isinstance(envelope, dict):
            content = self._json.read(value)
            content.problems = (*content.problems, "bad-cloudevent")
            content.undecoded = True
            return content
        missing = [name for name in REQUIRED if as_text(envelope.get(name)) is None]
        return Content(
            self._values(envelope),
            value.decode(),
            "cloudevents",
            ("bad-cloudevent",) if missing else (),
            {
                f"ce_{name}": text
                for name in self._needs.attributes
                if (text := as_text(envelope.get(name))) is not None
            },
        )

    def _values(self, envelope: dict[str, object]) -> tuple[object, ...]:
        try:
            return self._needs.fields.of(data_of(envelope))
        except (LookupError, *UNDECODABLE):
            return self._needs.fields.nothing  # no data, or data that is no JSON: both may be


class CloudEvents:
    """For topics that carry nothing else: a record that is in neither mode is told."""

    def __init__(self, needs: Needs, binary: Codec) -> None:
        self._structured = Structured(needs)
        self._binary = binary

    def __call__(self, value: bytes, texts: Texts) -> Content:
        if content_type(texts) != STRUCTURED and is_binary(texts):
            return self._binary(value, texts)
        return self._structured(value, texts)


def structured(headers: HeaderColumns) -> set[int]:
    """Which records may be structured ones, by what their headers say."""
    found: set[int] = set()
    for name in ("content-type", "Content-Type"):
        said = headers.column(name)
        types = {text for text in set(said) if text and media_type(text) == STRUCTURED}
        if types:
            found |= {row for row, text in enumerate(said) if text in types}
    return found


def not_binary(headers: HeaderColumns) -> set[int]:
    """Which records are not binary ones, or may be structured ones."""
    named = zip(headers.column("ce_id"), headers.column("ce_type"), strict=True)
    neither = {row for row, (id, type) in enumerate(named) if id is None and type is None}
    return structured(headers) | neither


def is_binary(texts: Texts) -> bool:
    return "ce_id" in texts or "ce_type" in texts
