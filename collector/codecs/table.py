"""Every format of payloads, by its name in the configuration."""

from collections.abc import Callable

from collector.codecs.auto import Auto
from collector.codecs.cloudevents import CloudEvents, not_binary, structured
from collector.codecs.content import Codec, Needs
from collector.codecs.json import Json
from collector.codecs.plain import Bytes, Text
from collector.codecs.wire import Wire
from collector.header_columns import HeaderColumns
from collector.settings import Format

CODECS: dict[Format, Callable[[Needs], Codec]] = {
    "auto": Auto,
    "json": Json,
    "text": Text,
    "bytes": Bytes,
    "cloudevents": lambda needs: CloudEvents(needs, Auto(needs)),
    "avro": Wire,
}

MOSTLY_JSON: dict[Format, Callable[[HeaderColumns], set[int]]] = {
    "auto": structured,
    "json": lambda headers: set(),
    "cloudevents": not_binary,
}
"""Formats whose payloads are JSON for the most part: many can be read at once. By their headers,
those that may be something else; what begins with a zero byte is no JSON anyway."""
