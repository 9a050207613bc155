"""Places compiled to functions: a record has a dozen look-ups, and each is paid for every event."""

from collections.abc import Callable, Sequence
from typing import Any

from collector.places import Place, as_text, walk
from collector.redact import MASK

Texts = dict[str, str]
Document = dict[str, Any]
Lookup = Callable[[Texts, Document, str | None], Any]
"""From the headers' texts, the payload's fields and the record's key to a value, or None."""
First = Callable[[Texts, Document, str | None], str | None]
Every = Callable[[Texts, Document, str | None], tuple[str, ...]]


def lookup(place: Place, topic: str) -> Lookup:
    """The first value at one place; an empty header is none."""
    name, path = place.name, place.path
    if place.kind == "header":
        return lambda texts, document, key: texts.get(name) or None
    if place.kind == "payload" and len(path) == 1:
        return lambda texts, document, key: document.get(name)
    if place.kind == "payload":
        return lambda texts, document, key: next(
            (value for value in walk(document, path) if value is not None), None
        )
    if place.kind == "key":
        return lambda texts, document, key: key
    if place.kind == "topic":
        return lambda texts, document, key: topic
    return lambda texts, document, key: None


def first_of(places: Sequence[Place], topic: str) -> First:
    """The first place's value that is an identifier, as text."""
    lookups = [lookup(place, topic) for place in places]

    def find(texts: Texts, document: Document, key: str | None) -> str | None:
        for look in lookups:
            value = look(texts, document, key)
            if value is not None:
                text = as_text(value)
                if text is not None and text != MASK:
                    return text
        return None

    return find


def every_of(places: Sequence[Place], topic: str) -> Every:
    """All values of the first place that has any: a path with [*] may yield many."""
    lookups = [
        (place.path if place.kind == "payload" else None, lookup(place, topic)) for place in places
    ]

    def find(texts: Texts, document: Document, key: str | None) -> tuple[str, ...]:
        for path, look in lookups:
            if path is None:
                text = as_text(look(texts, document, key))
                if text is not None and text != MASK:
                    return (text,)
                continue
            values = [as_text(value) for value in walk(document, path)]
            found = tuple(dict.fromkeys(v for v in values if v is not None and v != MASK))
            if found:
                return found
        return ()

    return find
