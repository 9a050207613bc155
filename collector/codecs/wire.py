"""The wire format of schema registries: a zero byte, the schema's ID in four bytes, the body."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from collector.codecs.content import Content, Needs, kept_raw
from collector.codecs.json import Json
from collector.codecs.schema import BadBody, Unusable
from collector.errors import RegistryAway
from collector.lookup import Texts
from collector.record import Record, content_type, text_of

if TYPE_CHECKING:
    from collector.codecs.registry import Registry

HEAD = 5


def is_wire(value: bytes, media_type: str | None) -> bool:
    """Whether to take it for the wire format, unless its content type names a text."""
    if value[:1] != b"\0" or len(value) < HEAD:
        return False
    return media_type is None or not (media_type.endswith("json") or media_type.startswith("text/"))


def schema_id(value: bytes) -> int:
    return int.from_bytes(value[1:HEAD], "big")


class Wire:
    """Decodes by the schema that a payload names, to the JSON that is stored.

    A payload whose schema cannot be had for good is kept as hex, with the reason; while the
    registry is away, it raises RegistryAway.
    """

    def __init__(self, needs: Needs) -> None:
        assert needs.registry is not None  # the settings have seen to it
        self._registry = needs.registry
        self._needs = needs
        self._json = Json(needs)

    def __call__(self, value: bytes, texts: Texts) -> Content:
        if not is_wire(value, None):
            return kept_raw(value, self._needs, "bad-avro", undecoded=True)
        schema = self._registry.schema(schema_id(value))
        if isinstance(schema, Unusable):
            return kept_raw(value, self._needs, schema.problem, undecoded=True)
        try:
            body, problems = schema.decode(value[HEAD:])
        except BadBody as bad:
            return kept_raw(value, self._needs, bad.problem, undecoded=True)
        content = self._json.read(body, schema.encoding)
        content.problems += problems
        return content


async def readable(
    records: Sequence[Record], registry: "Registry", *, always: bool
) -> tuple[int, RegistryAway | None]:
    """How many of these, from the first, can be decoded now, and what the next one waits for.

    `always`: every payload of the topic is in the wire format, whatever its content type says.
    """
    wanted = [_schema_wanted(record, always=always) for record in records]
    try:
        await registry.ask({id for id in wanted if id is not None})
    except RegistryAway as away:
        for count, id in enumerate(wanted):
            if id is not None and not registry.knows(id):
                return count, away
    return len(records), None


def _schema_wanted(record: Record, *, always: bool) -> int | None:
    value = record.value
    if value is None or value[:1] != b"\0":
        return None
    texts = {name: text_of(raw or b"") for name, raw in reversed(record.headers)}
    return schema_id(value) if is_wire(value, None if always else content_type(texts)) else None
