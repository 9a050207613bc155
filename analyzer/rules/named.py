"""Where in a rule file the names of events stand."""

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.rules.located import Place, Value, at_key, elements, entries

ONE_OR_MORE = (
    "after", "expect", "never", "next", "once", "before", "require", "order", "together", "either",
    "until", "unless", "rate", "retries", "handled",
)  # fmt: skip
COUNTS = ("at_most", "at_least", "exactly")
LONGEST = 60
"""Characters of a name that are told."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name, and where it stands."""

    name: str
    place: Place
    judged: bool
    """Whether something is judged by it; else it stands in `events`, `services` or `tests`."""


def named(document: Value) -> Iterator[Named]:
    """Every name of events in a file, in no order."""
    for key in ("begins", "ends"):
        yield from _judged(at_key(document, key))
    for expectation in expectations_on(document):
        for name, place in expected_names(expectation):
            yield Named(name, place, True)
    for one in _beside(document):
        yield Named(*one, judged=False)


def expectations_on(document: Value) -> Iterator[Value]:
    """Those that are not switched off."""
    for expectation in elements(at_key(document, "expectations")):
        enabled = at_key(expectation, "enabled")
        if enabled is None or enabled.data is not False:
            yield expectation


def expected_names(expectation: Value) -> Iterator[tuple[str, Place]]:
    """The names in one expectation."""
    for key in ONE_OR_MORE:
        yield from names_in(at_key(expectation, key))
    for key in COUNTS:
        yield from _keys(at_key(expectation, key))
    across = at_key(expectation, "across")
    yield from _keys(across)
    if across is not None and not isinstance(across.data, dict):
        yield from names_in(across)
    undo = at_key(expectation, "undo")
    yield from _keys(undo)
    for value in entries(undo):
        yield from names_in(value)
    for key in ("from", "to"):
        yield from names_in(at_key(at_key(expectation, "latency"), key))


def names_in(value: Value | None) -> Iterator[tuple[str, Place]]:
    """A name, a list of them, `{all: […]}`, `{name: …}`."""
    if value is None:
        return
    if isinstance(value.data, str):
        yield value.data, value.place
    elif isinstance(value.data, list):
        for item in value.data:
            yield from names_in(item)
    else:
        for key in ("all", "name"):
            yield from names_in(at_key(value, key))


def shown(name: str) -> str:
    """A name as warnings tell it."""
    return f"`{name}`" if len(name) <= LONGEST else f"`{name[:LONGEST]}…`"


def _beside(document: Value) -> Iterator[tuple[str, Place]]:
    meanings = at_key(document, "events")
    yield from _keys(meanings)
    for meaning in entries(meanings):
        yield from names_in(at_key(meaning, "name"))
    for service in entries(at_key(document, "services")):
        for key in ("consumes", "emits"):
            yield from names_in(at_key(service, key))
    for test in elements(at_key(document, "tests")):
        for event in elements(at_key(test, "events")):
            yield from names_in(at_key(event, "name"))


def _judged(value: Value | None) -> Iterator[Named]:
    return (Named(name, place, True) for name, place in names_in(value))


def _keys(value: Value | None) -> Iterator[tuple[str, Place]]:
    if value is not None and isinstance(value.data, dict):
        yield from (value.keys or {}).items()
