"""Where in a rule file conditions stand."""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.rules.located import Place, Value, at_key, entries
from analyzer.rules.named import expectations_on


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, at `where`, `such_that`, `unless` or `events`."""

    key: str
    text: str
    place: Place


def conditions(document: Value) -> Iterator[Condition]:
    """Each by which something is judged: of names, and of expectations that are on."""
    for meaning in entries(at_key(document, "events")):
        yield from _there("events", at_key(meaning, "where"))
    for expectation in expectations_on(document):
        for key in ("where", "such_that"):
            yield from _there(key, at_key(expectation, key))
        yield from _there("unless", at_key(at_key(expectation, "unless"), "where"))


def _there(key: str, value: Value | None) -> Iterator[Condition]:
    if value is not None and isinstance(value.data, str):
        yield Condition(key, value.data, value.place)
