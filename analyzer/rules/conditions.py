"""Where in a rule file conditions stand."""

from collections.abc import Iterator

from analyzer.rules.located import Value, at_key, elements, entries


def conditions(document: Value) -> Iterator[Value]:
    """Each condition by which something is judged: of expectations that are on, and of names."""
    for meaning in entries(at_key(document, "events")):
        yield from _there(at_key(meaning, "where"))
    for expectation in elements(at_key(document, "expectations")):
        enabled = at_key(expectation, "enabled")
        if enabled is None or enabled.data is not False:
            for key in ("where", "such_that"):
                yield from _there(at_key(expectation, key))
            yield from _there(at_key(at_key(expectation, "unless"), "where"))


def _there(value: Value | None) -> Iterator[Value]:
    if value is not None and isinstance(value.data, str):
        yield value
