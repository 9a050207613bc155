"""Reads typed fields out of a mapping and gathers every mistake, each with its place."""

import difflib
from collections import Counter
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from analyzer.guards import Guard, cause_read_at
from analyzer.paths import ValuePath
from analyzer.rules.located import Place, Value, items
from collector.cel import GuardError, check_kinds
from collector.times import parse_duration

T = TypeVar("T")

MOST_TOLD = 100
"""Mistakes of one file; a text of another kind has one on every line."""

MOST_COUNTED = 10_000
"""No flow of more events is judged."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, or a warning, as a person reads it: `file:line:col: what`."""

    path: Path
    place: Place
    what: str
    warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        return f"{self.path}:{self.place.line}:{self.place.column}: {kind}{self.what}"


@dataclass
class Checker:
    """Collects the problems of one file."""

    path: Path
    problems: list[Problem] = field(default_factory=list)
    _unread: set[Place] = field(default_factory=set)

    def error(self, place: Place, what: str) -> None:
        if place not in self._unread:
            self.problems.append(Problem(self.path, place, what))

    def unreadable(self, place: Place, what: str) -> None:
        """What stands there is no part of the language: nothing further is said of it."""
        self.error(place, what)
        self._unread.add(place)

    def sorted(self) -> list[Problem]:
        """Every problem once, in the order of the file."""
        found = sorted(
            dict.fromkeys(self.problems), key=lambda p: (p.place.line, p.place.column, p.what)
        )
        if len(found) <= MOST_TOLD:
            return found
        # Warnings go first: what is left out must not be the only error.
        errors = [problem for problem in found if not problem.warning] or found
        rest = len(found) - len(errors[:MOST_TOLD])
        last = errors[:MOST_TOLD][-1]
        more = f"and {rest:,} more; mend these first"
        return [*errors[:MOST_TOLD], Problem(self.path, last.place, more, last.warning)]

    def warn(self, place: Place, what: str) -> None:
        self.problems.append(Problem(self.path, place, what, warning=True))

    def suggestion(self, wrong: str, right: Iterable[str]) -> str:
        near = self.nearest(wrong, right)
        return f"; did you mean `{near}`?" if near else ""

    def nearest(self, wrong: str, right: Iterable[str]) -> str | None:
        """What was probably meant, if that is like anything."""
        if len(self.problems) > MOST_TOLD:
            return None  # it costs more than all else, and is not told
        return next(iter(difflib.get_close_matches(wrong, list(right), n=1, cutoff=0.6)), None)

    def known_keys(self, value: Value, known: Iterable[str], where: str) -> None:
        """Every other key is an error: what is misspelt must not be silent."""
        known = list(known)
        for key, place in (value.keys or {}).items():
            if key not in known:
                self.error(place, f"`{key}` is not known {where}{self.suggestion(key, known)}")

    def mended(
        self,
        value: Value,
        known: Iterable[str],
        where: str,
        needs: Container[str] = (),
        elsewhere: Container[str] = (),
    ) -> Value:
        """Tells every other key, too, and reads what is misspelt as what was probably meant: that
        this is not there is no further mistake. A key that is known `elsewhere` is not misspelt;
        of one that `needs` has it goes without saying where."""
        known = list(known)
        data: dict[str, Value] = {}
        keys: dict[str, Place] = {}
        for key, place, inner in items(value):
            right = key
            if key not in known:
                near = self.nearest(key, known)
                at = "" if near in needs else f" {where}"
                hint = f"; did you mean `{near}`?" if near else ""
                self.error(place, f"`{key}` is not known{at}{hint}")
                if near and key not in elsewhere and near not in {*data, *(value.keys or ())}:
                    right = near
            data[right], keys[right] = inner, place
        return Value(value.place, data, keys)

    # Readers of one value: each returns None after it has noted what is wrong.

    def text(self, value: Value) -> str | None:
        if isinstance(value.data, str) and value.data.strip():
            return value.data
        self.error(value.place, f"expected a text, not {_describe(value)}")
        return None

    def boolean(self, value: Value) -> bool | None:
        if isinstance(value.data, bool):
            return value.data
        self.error(value.place, f"expected true or false, not {_describe(value)}")
        return None

    def names(self, value: Value) -> tuple[str, ...] | None:
        """One event name, or a list that means any of them."""
        if isinstance(value.data, list):
            found = [self.text(item) for item in value.data]
            if not found:
                self.error(value.place, "expected at least one event name")
            names = tuple(name for name in found if name is not None)
            for name in sorted(n for n, times in Counter(names).items() if times > 1):
                self.error(value.place, f"`{name}` stands in this list twice")
            return names or None
        text = self.text(value)
        return None if text is None else (text,)

    def duration(self, value: Value) -> int | None:
        us = parse_duration(value.data) if isinstance(value.data, str) else None
        if us is None:
            hint = " (a number needs its unit)" if isinstance(value.data, int | float) else ""
            self.error(
                value.place,
                f"{_describe(value)} is not a duration{hint}; write e.g. 500ms, 30s, 5m, 2h or 1d",
            )
        return us

    def positive_duration(self, value: Value) -> int | None:
        us = self.duration(value)
        if us == 0:
            self.error(value.place, "a time of 0 can never be kept; leave it out for no limit")
            return None
        return us

    def one_of(self, value: Value, choices: Iterable[str]) -> str | None:
        choices = list(choices)
        if value.data in choices:
            return str(value.data)
        what = f"{_describe(value)} is not one of {', '.join(choices)}"
        self.error(value.place, what + self.suggestion(str(value.data), choices))
        return None

    def condition(self, value: Value, *, alone: str = "") -> Guard | None:
        """A CEL condition, compiled. Where an event is judged `alone`, that is why there is no
        `cause`."""
        return self._guard(value, condition=True, alone=alone)

    def field_path(self, value: Value) -> Guard | None:
        """A CEL path, compiled: what is read of one event."""
        alone = "a path is read of each event by itself: write `event`"
        return self._guard(value, condition=False, alone=alone)

    def _guard(self, value: Value, *, condition: bool, alone: str) -> Guard | None:
        text = self.text(value)
        if text is None:
            return None
        try:
            guard = Guard(text)
            check_kinds(text, condition=condition)
            column = cause_read_at(text) if alone and "cause" in text else None
            if column is not None:
                raise GuardError(f"there is no `cause` here; {alone}", column)
            return guard
        except GuardError as error:
            # A quoted scalar's text begins one column after its place; a plain one's at it.
            self.error(
                Place(value.place.line, value.place.column),
                f"in the condition `{text}`, at its column {error.column}: {error}",
            )
            return None

    def number(self, value: Value, most: int) -> int | None:
        if type(value.data) is int and 0 <= value.data <= most:
            return value.data
        self.error(value.place, f"expected a number, 0 to {most:,}, not {_describe(value)}")
        return None

    def numbers(self, value: Value) -> tuple[tuple[str, int], ...] | None:
        """A mapping of event names to how many."""
        if not isinstance(value.data, dict) or not value.data:
            self.error(value.place, f"expected `{{NAME: number}}`, not {_describe(value)}")
            return None
        found = []
        for name, inner in value.data.items():
            number = self.number(inner, MOST_COUNTED)
            if number is not None:
                found.append((name, number))
        return tuple(found)

    def values_path(self, value: Value) -> ValuePath | None:
        text = self.text(value)
        try:
            return None if text is None else ValuePath(text)
        except ValueError as error:
            self.error(value.place, f"{_describe(value)} is no path: {error}")
            return None

    def texts(self, value: Value) -> tuple[tuple[str, str], ...] | None:
        """A mapping of text to text, such as labels."""
        if not isinstance(value.data, dict):
            self.error(value.place, f"expected `key: value` pairs, not {_describe(value)}")
            return None
        found = []
        for key, inner in value.data.items():
            if isinstance(inner.data, str | int | float | bool):
                found.append((key, str(inner.data)))
            else:
                self.error(inner.place, f"expected a text, not {_describe(inner)}")
        return tuple(found)

    def list_of(self, value: Value, read: Callable[[Value], T | None]) -> tuple[T, ...] | None:
        """A list (one value counts as a list of one), each element read alike."""
        elements = value.data if isinstance(value.data, list) else [value]
        found = [read(element) for element in elements]
        return tuple(one for one in found if one is not None)


def _describe(value: Value) -> str:
    if isinstance(value.data, dict):
        return "a mapping"
    if isinstance(value.data, list):
        return "a list"
    if value.data is None or value.data == "":
        return "nothing"
    return f"`{value.data}`"
