"""Avro bodies to JSON, by a schema that is compiled once."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import fastavro
import msgspec
from fastavro import _read_py

from collector.codecs.schema import BadBody, BadSchema

Read = Callable[[io.BytesIO, Any], Any]

_encode = msgspec.json.Encoder(decimal_format="number").encode
_WHOLE = "nonevent_whole"
"""A record of one field is written as that field: so every schema is a record, and has names."""


class AvroSchema:
    """Timestamps become RFC 3339, decimals numbers, bytes hex, and NaN null."""

    encoding = "avro"

    def __init__(self, text: str, references: Sequence[str] = ()) -> None:
        try:
            schemas = [msgspec.json.decode(one) for one in (*references, text)]
            self._schema, named = _parsed(schemas)
            self._plain = _parsed([_without_logical_types(one) for one in schemas])[0]
        except Exception as error:  # whatever a schema does to the library
            raise BadSchema(str(error)) from error
        traits = _Traits(named)
        traits.visit(self._schema["fields"][0]["type"])
        if traits.endless:
            raise BadSchema("an array of items without bytes can be endless")
        self._has_bytes = traits.has_bytes
        # The compiled reader has no bound to its depth: a body could overflow its stack.
        self._read: Read = (
            _read_py.schemaless_reader if traits.recursive else fastavro.schemaless_reader
        )

    def decode(self, body: bytes) -> tuple[bytes, tuple[str, ...]]:
        try:
            return self._json(body, self._schema), ()
        except Exception as error:  # noqa: BLE001  # whatever a body does to the library
            return self._plainly(body, error)

    def _plainly(self, body: bytes, error: Exception) -> tuple[bytes, tuple[str, ...]]:
        """Without logical types: the dates of some programs lie where no calendar goes."""
        try:
            return self._json(body, self._plain), ("bad-logical-value",)
        except Exception:  # noqa: BLE001  # the same
            raise BadBody("bad-avro") from error

    def _json(self, body: bytes, schema: Any) -> bytes:
        file = io.BytesIO(body)
        value = self._read(file, schema)[_WHOLE]
        if file.tell() != len(body):
            raise ValueError("bytes are left over")
        return _encode(_with_hex(value) if self._has_bytes else value)


def _parsed(schemas: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """The last schema, wrapped, with the names of those before it; and all names."""
    named: dict[str, Any] = {}
    for reference in schemas[:-1]:
        fastavro.parse_schema(reference, named)
    whole = {
        "type": "record",
        "name": _WHOLE,
        "fields": [{"name": _WHOLE, "type": schemas[-1]}],
    }
    return fastavro.parse_schema(whole, named), named


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical_types(one) for one in schema]
    if isinstance(schema, dict):
        return {k: _without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    return schema


def _with_hex(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _with_hex(inner) for name, inner in value.items()}
    return [_with_hex(inner) for inner in value] if isinstance(value, list) else value


class _Traits:
    """What must be known of a parsed schema before a body is read with it."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._open: list[str] = []
        self._empty: dict[str, bool] = {}
        self.recursive = self.has_bytes = self.endless = False

    def visit(self, schema: Any) -> bool:
        """Whether a value of it may take no byte at all."""
        if isinstance(schema, list):
            for one in schema:
                self.visit(one)
            return False
        if isinstance(schema, str) and schema in self._named:
            return self._name(schema)
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind in ("record", "error", "fixed"):
            return self._name(schema["name"])
        if kind == "array":
            if self.visit(schema["items"]):
                self.endless = True
        elif kind == "map":
            self.visit(schema["values"])
        elif kind == "bytes":
            self.has_bytes = True
        elif isinstance(kind, dict | list):
            return self.visit(kind)
        return bool(kind == "null")

    def _name(self, name: str) -> bool:
        if name in self._open:
            self.recursive = True
            return False
        if name not in self._empty:
            self._open.append(name)
            self._empty[name] = self._definition(self._named[name])
            self._open.pop()
        return self._empty[name]

    def _definition(self, schema: Any) -> bool:
        if schema["type"] == "fixed":
            self.has_bytes = True
            return bool(schema["size"] == 0)
        if schema["type"] == "enum":
            return False
        empty = True
        for field in schema["fields"]:
            empty &= self.visit(field["type"])
        return empty
