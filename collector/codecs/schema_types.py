"""Every type of schema that can be decoded, by its name in a registry. Protobuf has its place."""

from collections.abc import Callable, Sequence

from collector.codecs.schema import Schema


class JsonSchema:
    """The body is JSON as it is; the schema would only check it."""

    encoding = "json"

    def __init__(self, text: str, references: Sequence[str]) -> None:
        pass

    def decode(self, body: bytes) -> tuple[bytes, tuple[str, ...]]:
        return body, ()


def _avro(text: str, references: Sequence[str]) -> Schema:
    from collector.codecs.avro import AvroSchema  # here: where there is none, it is not loaded

    return AvroSchema(text, references)


SCHEMA_TYPES: dict[str, Callable[[str, Sequence[str]], Schema]] = {
    "AVRO": _avro,
    "JSON": JsonSchema,
}
"""From a schema's text and those that it refers to (in the order of need); raises BadSchema."""
