"""`!=` of a field that may not be there: which makes it false, and is seldom meant."""

from analyzer.rules.checker import Checker
from analyzer.rules.conditions import conditions
from analyzer.rules.located import Value
from collector.cel_absence import Unasked, unasked

LONGEST = 80
"""Characters of a comparison that are told again in its cure."""


def warn_of_absences(document: Value, checker: Checker) -> None:
    """At each condition, what to write for the one meaning and for the other."""
    for condition in conditions(document):
        text = condition.text
        for one in unasked(text):
            place = f"in the condition `{text}`, at its column {one.column}"
            whole = one.comparison == text.strip()
            checker.warn(condition.place, f"{place}: {_what(one, whole=whole)}")


def _what(one: Unasked, *, whole: bool) -> str:
    fields = " or ".join(f"`{field}`" for field in one.fields)
    there = " && ".join(f"has({field})" for field in one.fields)
    lacks = " || ".join(f"!has({field})" for field in one.fields)
    said = one.comparison if len(one.comparison) <= LONGEST else "…"
    where = f"where {fields} is not there, this makes the condition false"
    if one.negated:
        instead = f"write `({there} && {said})` in place of `{said}` if it shall hold then"
    else:
        other = f"{lacks} || {said}" if whole else f"({lacks} || {said})"
        instead = f"write `{other}` if it shall hold then"
    return f"{where}; {instead}, else `{there} && …`"
