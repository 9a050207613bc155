"""Every format of payloads, by its name in the configuration."""

from collections.abc import Callable

from collector.codecs.auto import Auto
from collector.codecs.cloudevents import CloudEvents
from collector.codecs.content import Codec, Needs
from collector.codecs.json import Json
from collector.codecs.plain import Bytes, Text
from collector.codecs.wire import Wire
from collector.settings import Format

CODECS: dict[Format, Callable[[Needs], Codec]] = {
    "auto": Auto,
    "json": Json,
    "text": Text,
    "bytes": Bytes,
    "cloudevents": lambda needs: CloudEvents(needs, Auto(needs)),
    "avro": Wire,
}
