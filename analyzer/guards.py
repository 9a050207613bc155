"""Guards: CEL conditions over an event and its cause, compiled once to a Python function."""

from collections.abc import Callable
from typing import Any

from collector.cel import Environment, compile_cel, fields_read
from collector.cel_values import FieldMissing
from collector.event import Event

MISSING = object()


class Guard:
    """A compiled condition, or a path. A field that is not there makes it false, and is counted."""

    __slots__ = ("_evaluate", "asked", "fields", "missing", "text")

    def __init__(self, text: str, evaluate: Callable[[Environment], Any]) -> None:
        self.text = text
        self._evaluate = evaluate
        self.fields = fields_read(text, "payload")
        """The payload's fields that it reads; None: the whole."""
        self.asked = self.missing = 0
        """How often it was; and a field was not there, or of another type than the guard needs."""

    def __call__(self, event: Event, cause: Event | None) -> bool:
        return self._run(event, cause) is True

    def value(self, event: Event) -> object:
        """What is at the path in this event; MISSING where nothing is."""
        return self._run(event, None)

    def _run(self, event: Event, cause: Event | None) -> object:
        self.asked += 1
        given: Environment = {"event": event} if cause is None else {"event": event, "cause": cause}
        try:
            return self._evaluate(given)
        except (FieldMissing, TypeError, ValueError, ArithmeticError, RecursionError):
            self.missing += 1
            return MISSING


def compile_guard(text: str) -> Guard:
    """Raises GuardError, which says what is wrong and at which column."""
    return Guard(text, compile_cel(text, frozenset(("event", "cause"))))
