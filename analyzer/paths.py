"""Paths that lead to many values: `event.payload.items[*].sku`, of `for_each`."""

import re

from analyzer.guards import MISSING
from collector.cel_values import FieldMissing, too_deep
from collector.event import Event
from collector.event_view import EventView

_PATH = re.compile(r"event\.payload((?:\.[A-Za-z_][A-Za-z0-9_]*|\[\*\]|\[\d+\])+)")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\*|\d+)\]")


class ValuePath:
    """Compiled from its text. What is not there is counted, as with a guard."""

    __slots__ = ("_steps", "asked", "fields", "missing", "text")

    def __init__(self, text: str) -> None:
        match = _PATH.fullmatch(text)
        if match is None:
            raise ValueError("write it as in event.payload.items[*].sku")
        self.text = text
        self._steps = [
            name or (None if number == "*" else int(number))
            for name, number in _STEP.findall(match[1])
        ]
        first = self._steps[0]
        self.fields = frozenset((first,)) if isinstance(first, str) else None
        """The payload's fields that it reads; None: the whole."""
        self.asked = self.missing = 0

    def values(self, event: Event) -> list[object] | None:
        """Every value that it leads to, as often as it does; None where it leads nowhere. One that
        is nested too deep to be compared is not there."""
        self.asked += 1
        try:
            found = [EventView(event).payload()]
        except (FieldMissing, ValueError, RecursionError):
            found = [MISSING]
        for step in self._steps:
            found = [value for one in found for value in _into(one, step)]
        found = [MISSING if too_deep(value) else value for value in found]
        if MISSING not in found:
            return found
        self.missing += 1
        there = [value for value in found if value is not MISSING]
        return there or None


def _into(value: object, step: str | int | None) -> list[object]:
    if step is None:
        return list(value) if isinstance(value, list) else [MISSING]
    if isinstance(step, str):
        return [value.get(step, MISSING)] if isinstance(value, dict) else [MISSING]
    inside = isinstance(value, list) and step < len(value)
    return [value[step]] if inside else [MISSING]  # type: ignore[index]  # it is a list
