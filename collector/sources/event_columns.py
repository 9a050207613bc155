"""The names of event lines as columns, and a row of them as a line."""

import difflib
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from collector.sources.event_line import EventLine, LineError

FIELDS = EventLine.__struct_fields__
REQUIRED = ("name", "time")
NUMBERS = frozenset(("partition", "offset"))
STRUCTURES = frozenset(("keys", "headers", "problems"))


def columns_of(titles: Iterable[str]) -> list[str]:
    """Those that an event line has. One that is nearly called like one is a mistake."""
    titles = list(titles)
    missing = [name for name in REQUIRED if name not in titles]
    for title in titles:
        if title not in FIELDS:
            near = difflib.get_close_matches(title, [f for f in FIELDS if f not in titles], 1, 0.8)
            if near:
                raise LineError(f"there is no column `{title}`; did you mean `{near[0]}`?")
    if missing:
        there = ", ".join(titles[:12]) or "none"
        raise LineError(f"no column `{missing[0]}` (there are: {there}): rename the one meant")
    twice = next((title for title in titles if title in FIELDS and titles.count(title) > 1), None)
    if twice is not None:
        raise LineError(f"two columns are called `{twice}`")
    return [title for title in titles if title in FIELDS]


def cell(name: str, text: str) -> object:
    """An empty cell says nothing."""
    if text == "":
        return None
    if name in NUMBERS:
        try:
            return int(text)
        except ValueError:
            raise LineError(f"`{name}` is {text!r}: a number is meant") from None
    listed = name == "correlation_id" and text.startswith("[")
    if name in STRUCTURES or listed:
        try:
            return json.loads(text)
        except ValueError:
            if listed:
                return text
            raise LineError(f"`{name}` is no JSON: {text[:40]!r}") from None
    return text


def line_of_row(row: dict[str, Any]) -> EventLine:
    """A row as a line of JSON would have been read: what is null there is not said here."""
    said = {name: value for name, value in row.items() if value is not None}
    payload = said.pop("payload", None)
    if isinstance(payload, bytes):
        try:
            payload = payload.decode("utf-8")
        except UnicodeDecodeError:
            payload, said["encoding"] = payload.hex(), "hex"
    try:
        line = msgspec.convert(said, EventLine)
        if payload is not None:
            line.payload = msgspec.Raw(msgspec.json.encode(payload))
    except (msgspec.MsgspecError, TypeError) as error:
        raise LineError(str(error)) from error
    return line
