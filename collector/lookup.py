"""Places compiled to functions: a record has a dozen look-ups, and each is paid for every event."""

from collections.abc import Callable, Sequence
from typing import Any

from collector.fields import Fields, Values
from collector.header_columns import HeaderColumns
from collector.places import Place, as_text, trace_id, walk
from collector.redact import MASK

Texts = dict[str, str]
"""Headers as text. The attributes of a structured CloudEvent are there as those of a binary one."""
Lookup = Callable[[Texts, Values, str | None], Any]
"""From headers, the payload's fields and the record's key to a value, or None."""
First = Callable[[Texts, Values, str | None], str | None]
Every = Callable[[Texts, Values, str | None], tuple[str, ...]]
Keys = Sequence[str | None]
Firsts = Callable[[HeaderColumns, Sequence[Values], Keys], Sequence[str | None]]
"""The same of many records at once: their columns in, a column out."""
Everies = Callable[[HeaderColumns, Sequence[Values], Keys], Sequence[tuple[str, ...]]]
Column = Callable[[HeaderColumns, Sequence[Values], Keys], Sequence[Any]]


def header_of(place: Place) -> str | None:
    """The header in which a place's value stands as it is."""
    if place.kind == "header":
        return place.name
    return f"ce_{place.name}" if place.kind == "attribute" else None


def lookup(place: Place, topic: str, fields: Fields) -> Lookup:
    """The first value at one place; an empty header is none."""
    header = header_of(place)
    if header is not None:
        return lambda texts, values, key: texts.get(header) or None
    if place.kind == "payload":
        at, rest = fields.index(place.path[0]), place.path[1:]
        if isinstance(place.path[0], int) or place.path[0] == "*":
            at, rest = -1, place.path
        if not rest:
            return lambda texts, values, key: values[at]
        return lambda texts, values, key: next(
            (value for value in walk(values[at], rest) if value is not None), None
        )
    if place.kind == "traceparent":
        return lambda texts, values, key: trace_id(
            texts.get("traceparent") or texts.get("ce_traceparent") or ""
        )
    if place.kind == "key":
        return lambda texts, values, key: key
    if place.kind == "topic":
        return lambda texts, values, key: topic
    return lambda texts, values, key: None


def column(place: Place, topic: str, fields: Fields) -> Column:
    """What `lookup` finds, of many records at once."""
    header = header_of(place)
    if header is not None:
        return lambda headers, values, keys: _or_none(headers.column(header))
    first = place.path[0] if place.kind == "payload" else None
    if len(place.path) == 1 and isinstance(first, str) and first != "*":
        at = fields.index(first)
        return lambda headers, values, keys: [some[at] for some in values]
    if place.kind == "key":
        return lambda headers, values, keys: keys
    look = lookup(place, topic, fields)
    return lambda headers, values, keys: list(map(look, headers.texts(), values, keys))


def _or_none(found: Sequence[str | None]) -> Sequence[str | None]:
    """An empty header is none."""
    return [text or None for text in found] if "" in found else found


def first_of(places: Sequence[Place], topic: str, fields: Fields) -> First:
    """The first place's value that is an identifier, as text."""
    steps = [(header_of(place), lookup(place, topic, fields)) for place in places]

    def find(texts: Texts, values: Values, key: str | None) -> str | None:
        for header, look in steps:
            if header is not None:
                text = texts.get(header)
                if text and text != MASK:
                    return text
                continue
            value = look(texts, values, key)
            if value is not None:
                text = value if type(value) is str else as_text(value)
                if text and text != MASK:
                    return text
        return None

    return find


def firsts_of(places: Sequence[Place], topic: str, fields: Fields) -> Firsts:
    """What `first_of` finds, of many records at once."""
    columns = [column(place, topic, fields) for place in places]
    one = first_of(places, topic, fields)

    def find(headers: HeaderColumns, values: Sequence[Values], keys: Keys) -> Sequence[str | None]:
        for look in columns:
            found = look(headers, values, keys)
            if are_ids(found):
                return found
            if found.count(None) < len(found):
                # Some have it here, others elsewhere: each by itself.
                return list(map(one, headers.texts(), values, keys))
        return [None] * len(keys)

    return find


def are_ids(found: Sequence[object]) -> bool:
    """Whether each is an identifier as it stands."""
    return set(map(type, found)) == {str} and all(found) and MASK not in found


def every_of(places: Sequence[Place], topic: str, fields: Fields) -> Every:
    """All values of the first place that has any: a path with [*] may yield many."""
    finds: list[Every] = [
        _many(place, fields) if may_be_many(place) else _one(first_of([place], topic, fields))
        for place in places
    ]
    steps = [(header_of(place), find) for place, find in zip(places, finds, strict=True)]

    def find(texts: Texts, values: Values, key: str | None) -> tuple[str, ...]:
        for header, many in steps:
            if header is not None:
                text = texts.get(header)
                if text and text != MASK:
                    return (text,)
                continue
            found = many(texts, values, key)
            if found:
                return found
        return ()

    return find


def everies_of(places: Sequence[Place], topic: str, fields: Fields) -> Everies:
    """What `every_of` finds, of many records at once."""
    columns = [None if may_be_many(place) else column(place, topic, fields) for place in places]
    every = every_of(places, topic, fields)

    def find(
        headers: HeaderColumns, values: Sequence[Values], keys: Keys
    ) -> Sequence[tuple[str, ...]]:
        for look in columns:
            found = None if look is None else look(headers, values, keys)
            if found is not None and are_ids(found):
                return [(id,) for id in found]
            if found is None or found.count(None) < len(found):
                return list(map(every, headers.texts(), values, keys))
        return [()] * len(keys)

    return find


def may_be_many(place: Place) -> bool:
    """Whether it is a path into a payload that may lead to several values."""
    return place.kind == "payload" and (len(place.path) > 1 or place.path[0] == "*")


def _one(first: First) -> Every:
    def find(texts: Texts, values: Values, key: str | None) -> tuple[str, ...]:
        text = first(texts, values, key)
        return () if text is None else (text,)

    return find


def _many(place: Place, fields: Fields) -> Every:
    first = place.path[0]
    inside = isinstance(first, str) and first != "*"
    at, path = (fields.index(first), place.path[1:]) if inside else (-1, place.path)

    def find(texts: Texts, values: Values, key: str | None) -> tuple[str, ...]:
        found = [as_text(value) for value in walk(values[at], path)]
        return tuple(dict.fromkeys(v for v in found if v is not None and v != MASK))

    return find
