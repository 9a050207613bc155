"""One expectation's fields, read by name and checked as they are read."""

from analyzer.guards import Guard
from analyzer.paths import ValuePath
from analyzer.rules.checker import Checker
from analyzer.rules.located import Value
from analyzer.rules.rule import Names


class Fields:
    """The mapping of one expectation. Reading a field that is not there gives its emptiness."""

    def __init__(self, value: Value, checker: Checker) -> None:
        self.value = value
        self.checker = checker
        self.data: dict[str, Value] = value.data if isinstance(value.data, dict) else {}

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def get(self, key: str) -> Value | None:
        return self.data.get(key)

    def names(self, key: str) -> Names:
        value = self.data.get(key)
        return () if value is None else self.checker.names(value) or ()

    def duration(self, key: str) -> int | None:
        value = self.data.get(key)
        return None if value is None else self.checker.positive_duration(value)

    def condition(self, key: str, *, alone: str = "") -> Guard | None:
        value = self.data.get(key)
        return None if value is None else self.checker.condition(value, alone=alone)

    def guard(self, key: str) -> Guard | None:
        value = self.data.get(key)
        return None if value is None else self.checker.field_path(value)

    def guards(self, key: str) -> tuple[tuple[str, Guard], ...]:
        """`{A: path, B: path}`"""
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value.data, dict):
            self.checker.error(value.place, "expected `{NAME: path, NAME: path}`, or `agree: path`")
            return ()
        found = [(name, self.checker.field_path(inner)) for name, inner in value.data.items()]
        return tuple((name, guard) for name, guard in found if guard is not None)

    def pairs(self, key: str) -> tuple[tuple[str, Names], ...]:
        """`{X: X', Y: [Y', Z]}`: for each name another one, or any of several."""
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value.data, dict) or not value.data:
            what = f"expected `{{NAME: NAME}}`, such as `{key}: {{paid: refunded}}`"
            self.checker.error(value.place, what)
            return ()
        found = [(name, self.checker.names(inner)) for name, inner in value.data.items()]
        return tuple((name, names) for name, names in found if names is not None)

    def path(self, key: str) -> ValuePath | None:
        """A path that may lead to many values."""
        value = self.data.get(key)
        return None if value is None else self.checker.values_path(value)

    def number(self, key: str, most: int) -> int | None:
        value = self.data.get(key)
        return None if value is None else self.checker.number(value, most)

    def numbers(self, key: str) -> tuple[tuple[str, int], ...]:
        """`{A: 2, B: 1}`: how many of each name."""
        value = self.data.get(key)
        return () if value is None else self.checker.numbers(value) or ()

    def needs(self, key: str) -> tuple[Names, ...]:
        """`[B, C]`: any of them, one need. `{all: [B, C]}`: every one, several needs."""
        value = self.data.get(key)
        if value is None:
            return ()
        if isinstance(value.data, dict):
            self.checker.known_keys(value, ["all"], "here; write `all: [B, C]`")
            inner = value.data.get("all")
            names = self.checker.names(inner) if inner else None
            return tuple((name,) for name in names or ())
        any_of = self.checker.names(value)
        return (any_of,) if any_of else ()
