"""Places: where in a record a name, an ID, a time or a key is found."""

import re
from dataclasses import dataclass
from typing import Literal

PLACE_HELP = (
    "write header:NAME, payload:PATH (payload:order.id, payload:items[*].sku), attribute:NAME "
    "(of a CloudEvent), traceparent, key, topic or record"
)
_STEP = re.compile(r"(?:^|(?<=.)\.)([A-Za-z_@$][\w@$-]*)|\[(\*|\d+)\]")
_ATTRIBUTE = re.compile(r"[a-z0-9]+")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """`header:type` is Place("header", "type"); a payload's path is split into steps."""

    kind: Literal["header", "payload", "attribute", "traceparent", "key", "topic", "record"]
    name: str = ""
    path: tuple[str | int, ...] = ()
    """Field names, list indices, and `*` for every element."""


def parse_place(text: str) -> Place | None:
    """The place that a text names; None when it is none."""
    kind, _, rest = text.partition(":")
    if not rest:
        if kind in ("key", "topic", "record", "traceparent"):
            return Place(kind)  # type: ignore[arg-type]  # checked on the line above
        if text.startswith("payload."):
            kind, rest = "payload", text.removeprefix("payload.")
    if kind == "header" and rest:
        return Place("header", rest)
    if kind == "attribute" and _ATTRIBUTE.fullmatch(rest):
        return Place("attribute", rest)
    if kind == "payload" and rest:
        path = parse_path(rest)
        return None if path is None else Place("payload", rest, path)
    return None


def parse_path(text: str) -> tuple[str | int, ...] | None:
    """`items[*].sku` as steps; None when it does not parse."""
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            return None
        name, index = match[1], match[2]
        steps.append(name if name is not None else "*" if index == "*" else int(index))
        at = match.end()
    return tuple(steps) or None


def walk(document: object, path: tuple[str | int, ...]) -> list[object]:
    """Every value at the path, in order; empty where the path leads nowhere."""
    found = [document]
    for step in path:
        following: list[object] = []
        for value in found:
            if step == "*":
                if isinstance(value, list):
                    following.extend(value)
            elif isinstance(step, int):
                if isinstance(value, list) and step < len(value):
                    following.append(value[step])
            elif isinstance(value, dict) and step in value:
                following.append(value[step])
        found = following
    return found


def as_text(value: object) -> str | None:
    """An identifier as text: strings and numbers are, anything else is not."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return str(value)


def trace_id(traceparent: str) -> str | None:
    """The trace's ID in a W3C `traceparent`; None where it is malformed, or no trace at all."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    return None if match is None or traceparent[:2] == "ff" else match[1]
