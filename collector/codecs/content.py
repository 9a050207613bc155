"""What a codec makes of a payload, and what it is given to do so."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from collector.fields import Fields, Values
from collector.lookup import Texts
from collector.redact import Redaction

if TYPE_CHECKING:
    from collector.codecs.registry import Registry


class Content(msgspec.Struct, gc=False):
    """A payload that was read: what places look into, and what is stored of it."""

    values: Values
    """Of the fields that places name."""
    payload: str | None
    encoding: str
    problems: tuple[str, ...] = ()
    attributes: Texts | None = None
    """Those of a structured CloudEvent, named as the headers of a binary one (`ce_type`)."""
    undecoded: bool = False
    """What it said could not be read: it may have been any event."""


@dataclass(frozen=True)
class Needs:
    """What one topic's codec works with."""

    fields: Fields
    attributes: tuple[str, ...] = ()
    """The CloudEvents attributes that some place names."""
    redaction: Redaction | None = None
    registry: "Registry | None" = None


class Codec(Protocol):
    """Reads payloads of one format. Whatever the bytes, it gives a content.

    Only one with a schema registry raises, and only RegistryAway.
    """

    def __call__(self, value: bytes, texts: Texts) -> Content: ...


def kept_raw(value: bytes, needs: Needs, *problems: str, undecoded: bool = False) -> Content:
    """A payload that nobody can look into: as text or hex, unless something in it is secret."""
    if needs.redaction is not None and needs.redaction.of_payload:
        problems = ("unredactable", *problems)
        return Content(needs.fields.nothing, None, "none", problems, None, undecoded)
    return Content(needs.fields.nothing, value.hex(), "hex", problems, None, undecoded)
