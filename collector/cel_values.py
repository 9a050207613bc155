"""What CEL's operators and functions do to values. A TypeError or ValueError says: not these.

Python would multiply a text, add a boolean and call 1 true; here like goes with like.
"""

import functools
import operator
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import re2

from collector.times import parse_duration

_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")


LONGEST = 100_000
"""Characters or elements of what is put together: a condition makes nothing large."""

LONGEST_IN_LOOP = 10_000
MOST_IN_LOOP = 1_000
"""What a loop works on a thousand times: characters of a text, values in a list or map."""

PATTERN_MEMORY = 1 << 20
"""Bytes that RE2 may take for one pattern, which may come from an event."""


class FieldMissing(Exception):
    """A field that the guard names is not there."""


FAILURES = (FieldMissing, TypeError, ValueError, ArithmeticError, RecursionError)
"""What makes a whole condition false: a field is not there, or not what is needed."""


def within_bounds(value: object) -> None:
    """Raises TypeError for what is too large to be looked at again and again in a loop."""
    if isinstance(value, str):
        if len(value) > LONGEST_IN_LOOP:
            raise TypeError("too long for a loop")
        return
    left, level = MOST_IN_LOOP, [value]
    while level:
        inner: list[object] = []
        for one in level:
            if isinstance(one, list | dict):
                left -= len(one)
                if left < 0:
                    raise TypeError("too much for a loop")
                inner += one if isinstance(one, list) else one.values()
        level = inner


DEEPEST = 100
"""Levels of lists and maps in a value. Who compares or writes one goes down level by level, and
how far Python lets him depends on where he is called; what an event says must not."""


def too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one if isinstance(one, list) else one.values())
        ]
        if not level:
            return False
    return True


def truth(value: object) -> bool:
    if value is True or value is False:
        return value
    raise TypeError("not a condition")


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SCALARS = frozenset((str, int, float, bool, type(None)))


def json_equal(a: object, b: object) -> bool:
    """1 and 1.0 are one number; 1 and true are not the same, nor are 1 and "1", at any depth."""
    if type(a) is type(b) and type(a) in _SCALARS:
        return bool(a == b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(json_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(json_equal(value, b[key]) for key, value in a.items())
    return bool(a == b) if type(a) is type(b) or (number(a) and number(b)) else False


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(a: Any, b: Any) -> bool:
        if isinstance(a, list) or (type(a) is not type(b) and not (number(a) and number(b))):
            raise TypeError("these have no order")
        return compare(a, b)

    return run


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, list | dict) and (too_deep(a) or too_deep(b)):
        raise TypeError("nested too deep")
    return json_equal(a, b)


def _contained(a: Any, b: Any) -> bool:
    if not isinstance(b, list | dict):
        raise TypeError("`in` needs a list or a map")
    return any(_equal(a, element) for element in b)


def _divide(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        quotient = abs(a) // abs(b)  # CEL rounds towards zero
        return quotient if (a < 0) == (b < 0) else -quotient
    return a / b


def _remainder(a: Any, b: Any) -> Any:
    return a - b * _divide(a, b)


def _strict(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Arithmetic of like with like: Python would multiply a text and add a boolean."""

    def run(a: Any, b: Any) -> Any:
        times = isinstance(a, datetime | timedelta) and isinstance(b, datetime | timedelta)
        same = isinstance(a, str | list) and type(a) is type(b) and compute is operator.add
        if not (times or same or (number(a) and number(b))):
            raise TypeError("these cannot be computed with each other")
        if same and len(a) + len(b) > LONGEST:
            raise ValueError("too long")
        return compute(a, b)

    return run


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "relation_eq": _equal,
    "relation_ne": lambda a, b: not _equal(a, b),
    "relation_lt": _ordered(operator.lt),
    "relation_le": _ordered(operator.le),
    "relation_gt": _ordered(operator.gt),
    "relation_ge": _ordered(operator.ge),
    "relation_in": _contained,
    "addition_add": _strict(operator.add),
    "addition_sub": _strict(operator.sub),
    "multiplication_mul": _strict(operator.mul),
    "multiplication_div": _strict(_divide),
    "multiplication_mod": _strict(_remainder),
}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _duration(value: Any) -> timedelta:
    us = parse_duration(_text(value))
    if us is None:
        raise ValueError("not a duration")
    return timedelta(microseconds=us)


def _timestamp(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value).upper())
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment


def _matches(value: Any, expression: Any) -> bool:
    return pattern(_text(expression)).search(_text(value)) is not None


@functools.lru_cache(maxsize=128)
def pattern(text: str) -> Any:
    """RE2: no pattern takes more than linear time. A bad one is a ValueError."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        told = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(told) from error


def size_of(value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise TypeError("no size")
    return len(value)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return value if isinstance(value, str) else str(value).removesuffix(".0")
    raise TypeError("no text")


def _int(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value) is None:
        raise ValueError("not a number")
    if isinstance(value, bool):
        raise TypeError("not a number")
    return int(value)


def _uint(value: Any) -> int:
    number = _int(value)
    if number < 0:
        raise ValueError("below 0")
    return number


def _double(value: Any) -> float:
    if isinstance(value, bool) or (isinstance(value, str) and ("_" in value or " " in value)):
        raise TypeError("not a number")
    return float(value)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "size": size_of,
    "int": _int,
    "uint": _uint,
    "double": _double,
    "string": _as_text,
    "timestamp": _timestamp,
    "duration": _duration,
}
METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "startsWith": lambda a, b: _text(a).startswith(_text(b)),
    "endsWith": lambda a, b: _text(a).endswith(_text(b)),
    "contains": lambda a, b: _text(b) in _text(a),
    "matches": _matches,
}


def select(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        try:
            return value[name]
        except KeyError:
            raise FieldMissing(name) from None
    if hasattr(value, "field"):
        return value.field(name)
    raise FieldMissing(name)


def index(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return select(value, key)
    if isinstance(value, list) and number(key) and 0 <= key < len(value) and key == int(key):
        return value[int(key)]
    raise FieldMissing(str(key))
