"""Every type of schema that can be decoded, by its name in a registry. Protobuf has its place."""

from collections.abc import Callable, Sequence

from collector.codecs.avro import AvroSchema
from collector.codecs.schema import Schema


class JsonSchema:
    """The body is JSON as it is; the schema would only check it."""

    encoding = "json"

    def __init__(self, text: str, references: Sequence[str]) -> None:
        pass

    def decode(self, body: bytes) -> tuple[bytes, tuple[str, ...]]:
        return body, ()


SCHEMA_TYPES: dict[str, Callable[[str, Sequence[str]], Schema]] = {
    "AVRO": AvroSchema,
    "JSON": JsonSchema,
}
"""From a schema's text and those that it refers to (in the order of need); raises BadSchema."""
