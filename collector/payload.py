"""A stored payload as the document that it tells: what rules, views and people look into."""

import base64
import binascii

import msgspec

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the JSON decoder raises of bytes that are none; the second of strings that are no UTF-8."""

JSON_TEXT = frozenset(("json", "avro", "cloudevents"))
"""The encodings whose stored payload is a JSON text."""

_decode = msgspec.json.Decoder().decode


def document(payload: str | bytes, encoding: str) -> object:
    """The document; LookupError where the payload is none, or where it was not kept.

    Of a structured CloudEvent it is the event's data. What is no JSON is a ValueError.
    """
    if encoding == "cloudevents":
        return data_of(_decode(payload))
    if encoding not in JSON_TEXT:
        raise LookupError(encoding)
    return _decode(payload)


def data_of(envelope: object) -> object:
    """A structured CloudEvent's `data`, or its `data_base64` where that is JSON."""
    if isinstance(envelope, dict):
        if "data" in envelope:
            return envelope["data"]
        if isinstance(encoded := envelope.get("data_base64"), str):
            raw = from_base64(encoded)
            if raw is not None:
                return _decode(raw)
    raise LookupError("data")


def from_base64(text: str) -> bytes | None:
    """The bytes; None where the text is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
