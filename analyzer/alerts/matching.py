"""Matchers: which alerts a silence, a mute time or a mark is about, as `team=payments`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import re2

from collector.errors import NoneventError

_WRITTEN = re.compile(r"\s*([^\W\d][\w.\-/]*)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
HELP = "write name=value, name!=value, name=~pattern or name!~pattern, e.g. team=payments"
NOWHERE = "\0"
"""No label and no field has this value."""


class BadMatcherError(NoneventError):
    """It cannot be read; the text says how it is written."""


@dataclass(frozen=True)
class Matcher:
    """One condition over an alert's labels and fields; what an alert lacks is empty."""

    name: str
    operator: str
    value: str
    pattern: object = field(default=None, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Matcher":
        written = _WRITTEN.fullmatch(text)
        if written is None:
            raise BadMatcherError(f"{text!r} is not a matcher; {HELP}")
        name, operator, value = written.groups()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        return cls(name, operator, value, _compiled(text, operator, value))

    def fits(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.name, "")
        match self.operator:
            case "=":
                return found == self.value
            case "!=":
                return found != self.value
        matched = self.pattern.fullmatch(found) is not None  # type: ignore[attr-defined]
        return bool(matched == (self.operator == "=~"))

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{self.value}"


def _compiled(text: str, operator: str, value: str) -> object:
    """RE2: no pattern, whoever wrote it, can hold the daemon up."""
    if "~" not in operator:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(value, options)
    except re2.error as error:
        raise BadMatcherError(f"{text!r}: {value!r} is not a pattern: {error}") from error


def parse_all(texts: Iterable[str]) -> tuple[Matcher, ...]:
    return tuple(Matcher.parse(text) for text in texts)


def fits_all(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.fits(labels) for matcher in matchers)


def fits_anything(matchers: Sequence[Matcher]) -> bool:
    """Whether they let through even what has nothing in common with anything."""
    return fits_all(matchers, {matcher.name: NOWHERE for matcher in matchers}) or fits_all(
        matchers, {}
    )
