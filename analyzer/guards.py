"""Guards: CEL conditions over an event and its cause, compiled once to a Python function."""

from collections.abc import Callable

from analyzer.origins import ByName
from collector.cel import (
    Closure,
    Environment,
    GuardError,
    compile_cel,
    compile_of_documents,
    fields_read,
)
from collector.cel_equality import equalities
from collector.cel_values import FAILURES, too_deep
from collector.event import Event

MISSING = object()
Read = Callable[[Event], object]
"""What of an event; MISSING where nothing is."""


class Guard:
    """A compiled condition, or a path. A field that is not there makes it false, and is counted."""

    __slots__ = ("_evaluate", "asked", "fields", "missing", "text")

    def __init__(self, text: str) -> None:
        """Raises GuardError, which says what is wrong and at which column."""
        self.text = text
        self._evaluate = compile_cel(text, _VARIABLES)
        self.fields = fields_read(text, "payload")
        """The payload's fields that it reads; None: the whole."""
        self.asked = self.missing = 0
        """How often it was; and a field was not there, or of another type than the guard needs."""

    def __call__(self, event: Event, cause: Event | None) -> bool:
        given = {"event": event} if cause is None else {"event": event, "cause": cause}
        return self._run(self._evaluate, given) is True

    def value(self, event: Event) -> object:
        """What is at the path in this event; MISSING where nothing is, or what is nested too deep
        to be compared."""
        return self._run(self._evaluate, {"event": event})

    def links(self) -> list[tuple[Read, Read]]:
        """What of an event must equal what of its cause for the condition to hold."""
        return [
            (self._reading(one, "event"), self._reading(other, "cause"))
            for one, other in equalities(self.text, "event", "cause")
        ]

    def _reading(self, evaluate: Closure, variable: str) -> Read:
        return lambda event: self._run(evaluate, {variable: event})

    def named(self, event: str, cause: str | None = None) -> Callable[[ByName], object]:
        """The same as a function of a flow in which no name came twice, for events that are called
        so: whether it holds, or what is at the path."""
        called = {"event": event} if cause is None else {"event": event, "cause": cause}
        evaluate = compile_of_documents(self.text, _VARIABLES, called)
        if evaluate is None:
            whole = self._evaluate
            return lambda at: self._run(whole, {v: at.event(name) for v, name in called.items()})

        def told(at: ByName) -> object:
            # As `_run`, which is a call more for each of many million.
            self.asked += 1
            try:
                found = evaluate(at)
            except FAILURES:
                self.missing += 1
                return MISSING
            return found if type(found) is bool else self._comparable(found)

        return told

    def _run(self, evaluate: Closure, given: Environment) -> object:
        self.asked += 1
        try:
            found = evaluate(given)
        except FAILURES:
            self.missing += 1
            return MISSING
        return found if type(found) is bool else self._comparable(found)

    def _comparable(self, value: object) -> object:
        if isinstance(value, list | dict) and too_deep(value):
            self.missing += 1
            return MISSING
        return value


_VARIABLES = frozenset(("event", "cause"))


def cause_read_at(text: str) -> int | None:
    """The column, from 1, at which a guard that compiles reads `cause`; None where it does not."""
    try:
        compile_cel(text, _VARIABLES - {"cause"})
    except GuardError as error:
        return error.column
    return None
