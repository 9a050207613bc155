"""CEL to Python closures: parsed by a library, checked and compiled here, evaluated without it.

The subset of the rule language: operators, `in`, `has`, `size`, string tests, `matches` (RE2),
conversions, timestamps, durations, and one level of exists/all/filter/map.
"""

import functools
import operator
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import re2
from celpy.celparser import CELParseError, CELParser
from lark import Token, Tree

from collector.times import parse_duration

Environment = dict[str, Any]
Closure = Callable[[Environment], Any]

_ESCAPES = re.compile(
    r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3}|.)|[^\\]+", re.DOTALL
)

_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")

MAX_ELEMENTS = 1_000
MAX_LENGTH = 10_000
MAX_DEPTH = 300
"""Levels of the parse tree: a pair of brackets is about twelve, a term of a sum is two."""


class FieldMissing(Exception):
    """A field that the guard names is not there."""


class GuardError(Exception):
    """The guard is not CEL, or not of the subset; `column` counts from 1 within it."""

    def __init__(self, message: str, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


class HasFields(Protocol):
    def field(self, name: str) -> object: ...


@functools.cache
def _parser() -> CELParser:
    return CELParser()


def compile_cel(text: str, variables: frozenset[str]) -> Closure:
    """The expression as a function of its variables; raises GuardError."""
    if len(text) > MAX_LENGTH:
        raise GuardError(f"longer than {MAX_LENGTH} characters")
    try:
        tree = _parser().parse(text)
    except CELParseError as error:
        column = error.column if isinstance(error.column, int) else 1
        raise GuardError("this is not CEL; an operand or operator is wrong here", column) from error
    if _deeper_than(MAX_DEPTH, tree):
        raise GuardError("nested too deep: write several expectations, or a shorter one")
    return _Compiler(variables).closure(tree)


def _deeper_than(limit: int, tree: Tree[Token]) -> bool:
    level: list[object] = [tree]
    for _ in range(limit):
        level = [child for one in level if isinstance(one, Tree) for child in one.children]
        if not level:
            return False
    return True


def _truth(value: object) -> bool:
    if value is True or value is False:
        return value
    raise TypeError("not a condition")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def json_equal(a: object, b: object) -> bool:
    """1 and 1.0 are one number; 1 and true are not the same, nor are 1 and "1", at any depth."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(json_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(json_equal(value, b[key]) for key, value in a.items())
    return bool(a == b) if type(a) is type(b) or (_number(a) and _number(b)) else False


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(a: Any, b: Any) -> bool:
        if isinstance(a, list) or (type(a) is not type(b) and not (_number(a) and _number(b))):
            raise TypeError("these have no order")
        return compare(a, b)

    return run


def _contained(a: Any, b: Any) -> bool:
    if not isinstance(b, list | dict):
        raise TypeError("`in` needs a list or a map")
    return any(json_equal(a, element) for element in b)


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
        if not (times or same or (_number(a) and _number(b))):
            raise TypeError("these cannot be computed with each other")
        return compute(a, b)

    return run


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "relation_eq": json_equal,
    "relation_ne": lambda a, b: not json_equal(a, b),
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


def _matches(value: Any, pattern: Any) -> bool:
    return _pattern(_text(pattern)).search(_text(value)) is not None


@functools.lru_cache(maxsize=1_000)
def _pattern(text: str) -> Any:
    """RE2: no pattern takes more than linear time. A bad one is a ValueError."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        told = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(told) from error


def _size(value: Any) -> int:
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


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "size": _size,
    "int": _int,
    "uint": _uint,
    "double": _double,
    "string": _as_text,
    "timestamp": _timestamp,
    "duration": _duration,
}
_METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "startsWith": lambda a, b: _text(a).startswith(_text(b)),
    "endsWith": lambda a, b: _text(a).endswith(_text(b)),
    "contains": lambda a, b: _text(b) in _text(a),
    "matches": _matches,
}
_MACROS = ("exists", "all", "filter", "map")


def _select(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        if name in value:
            return value[name]
        raise FieldMissing(name)
    if hasattr(value, "field"):
        return value.field(name)
    raise FieldMissing(name)


def _index(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return _select(value, key)
    if isinstance(value, list) and _number(key) and 0 <= key < len(value) and key == int(key):
        return value[int(key)]
    raise FieldMissing(str(key))


class _Compiler:
    """Walks the parse tree; a method a node, a closure each."""

    def __init__(self, variables: frozenset[str], *, in_macro: bool = False) -> None:
        self._variables = variables
        self._in_macro = in_macro

    def closure(self, tree: Tree[Token]) -> Closure:
        children = [c for c in tree.children if c is not None]
        handler = getattr(self, f"_{tree.data}", None)
        if handler is not None:
            return handler(tree, children)  # type: ignore[no-any-return]  # all handlers do
        if len(children) == 1 and isinstance(children[0], Tree):
            return self.closure(children[0])
        return self._binary(tree, children)

    def _refuse(self, tree: Tree[Token], what: str) -> GuardError:
        return GuardError(what, getattr(tree.meta, "column", 1))

    def _binary(self, tree: Tree[Token], children: list[Any]) -> Closure:
        if len(children) != 2 or children[0].data not in _BINARY:
            raise self._refuse(tree, f"`{tree.data}` is not part of the guards' language")
        compute = _BINARY[children[0].data]
        left, right = self.closure(children[0].children[0]), self.closure(children[1])
        return lambda env: compute(left(env), right(env))

    def _expr(self, tree: Tree[Token], children: list[Any]) -> Closure:
        parts = [self.closure(c) for c in children]
        if len(parts) == 1:
            return parts[0]
        condition, yes, no = parts
        return lambda env: yes(env) if _truth(condition(env)) else no(env)

    def _conditionalor(self, tree: Tree[Token], children: list[Any]) -> Closure:
        parts = [self.closure(c) for c in children]
        if len(parts) == 1:
            return parts[0]
        left, right = parts
        return lambda env: _truth(left(env)) or _truth(right(env))

    def _conditionaland(self, tree: Tree[Token], children: list[Any]) -> Closure:
        parts = [self.closure(c) for c in children]
        if len(parts) == 1:
            return parts[0]
        left, right = parts
        return lambda env: _truth(left(env)) and _truth(right(env))

    def _unary(self, tree: Tree[Token], children: list[Any]) -> Closure:
        if len(children) == 1:
            return self.closure(children[0])
        inner = self.closure(children[1])
        if children[0].data == "unary_not":
            return lambda env: not _truth(inner(env))
        return lambda env: _BINARY["addition_sub"](0, inner(env))

    def _member_dot(self, tree: Tree[Token], children: list[Any]) -> Closure:
        value, name = self.closure(children[0]), str(children[1])
        return lambda env: _select(value(env), name)

    def _member_index(self, tree: Tree[Token], children: list[Any]) -> Closure:
        value, key = self.closure(children[0]), self.closure(children[1])
        return lambda env: _index(value(env), key(env))

    def _member_dot_arg(self, tree: Tree[Token], children: list[Any]) -> Closure:
        name = str(children[1])
        arguments = children[2].children if len(children) > 2 else []
        if name in _MACROS:
            return self._macro(tree, children[0], name, arguments)
        value = self.closure(children[0])
        if name == "size" and not arguments:
            return lambda env: _size(value(env))
        if name not in _METHODS or len(arguments) != 1:
            known = ", ".join([*_METHODS, "size", *_MACROS])
            raise self._refuse(tree, f"`.{name}()` is not known here; there are {known}")
        method, argument = _METHODS[name], self.closure(arguments[0])
        if name == "matches":
            self._check_pattern(tree, arguments[0])
        return lambda env: method(value(env), argument(env))

    def _check_pattern(self, tree: Tree[Token], argument: Any) -> None:
        """A pattern that is written out is tried now; one from an event is when it comes."""
        token = _only_token(argument)
        if token is None or token.type not in ("STRING_LIT", "MLSTRING_LIT"):
            return
        try:
            _pattern(_unquote(str(token)))
        except ValueError as error:
            raise self._refuse(tree, f"{token} is no RE2 pattern: {error}") from error

    def _macro(self, tree: Tree[Token], over: Any, name: str, arguments: list[Any]) -> Closure:
        if self._in_macro:
            raise self._refuse(tree, f"`.{name}()` inside another loop: one level is allowed")
        variable = _identifier(arguments[0]) if len(arguments) == 2 else None
        if variable is None:
            raise self._refuse(tree, f"`.{name}()` takes a name and a condition: x, x > 5")
        values = self.closure(over)
        inner = _Compiler(self._variables | {variable}, in_macro=True).closure(arguments[1])

        def run(env: Environment) -> Any:
            elements = values(env)
            if not isinstance(elements, list) or len(elements) > MAX_ELEMENTS:
                raise TypeError("a loop needs a list, and a short one")
            results = (inner({**env, variable: element}) for element in elements)
            if name == "map":
                return list(results)
            if name == "filter":
                return [e for e, keep in zip(elements, results, strict=True) if _truth(keep)]
            return (any if name == "exists" else all)(_truth(r) for r in results)

        return run

    def _ident_arg(self, tree: Tree[Token], children: list[Any]) -> Closure:
        name = str(children[0])
        arguments = children[1].children if len(children) > 1 else []
        if len(arguments) != 1 or (name != "has" and name not in _FUNCTIONS):
            known = ", ".join(["has", *_FUNCTIONS])
            raise self._refuse(
                tree, f"`{name}()` is not known here; of one value there are {known}"
            )
        argument = self.closure(arguments[0])
        if name == "has":
            return lambda env: _is_there(argument, env)
        function = _FUNCTIONS[name]
        return lambda env: function(argument(env))

    def _ident(self, tree: Tree[Token], children: list[Any]) -> Closure:
        name = str(children[0])
        if name not in self._variables:
            known = ", ".join(sorted(self._variables))
            raise self._refuse(tree, f"`{name}` is not known here; there are {known}")

        def run(env: Environment) -> Any:
            if name not in env:
                raise FieldMissing(name)
            return env[name]

        return run

    def _list_lit(self, tree: Tree[Token], children: list[Any]) -> Closure:
        parts = [self.closure(c) for c in children[0].children] if children else []
        return lambda env: [part(env) for part in parts]

    def _map_lit(self, tree: Tree[Token], children: list[Any]) -> Closure:
        raise self._refuse(tree, "maps are not part of the guards' language")

    def _literal(self, tree: Tree[Token], children: list[Any]) -> Closure:
        token = children[0]
        try:
            value = _constant(token)
        except ValueError as error:
            raise self._refuse(tree, f"{str(token)[:40]} is no value that can be read") from error
        if isinstance(value, GuardError):
            raise self._refuse(tree, str(value))
        return lambda env: value


def _is_there(argument: Closure, env: Environment) -> bool:
    try:
        argument(env)
    except FieldMissing:
        return False
    return True


def _only_token(tree: Any) -> Token | None:
    """The one token that an expression consists of, if it is a literal."""
    while isinstance(tree, Tree) and len(tree.children) == 1:
        tree = tree.children[0]
    return tree if isinstance(tree, Token) else None


def _identifier(tree: Any) -> str | None:
    """The name that a bare identifier is, through the grammar's single-child levels."""
    while isinstance(tree, Tree) and len(tree.children) == 1:
        if tree.data == "ident":
            return str(tree.children[0])
        tree = tree.children[0]
    return None


def _constant(token: Token) -> Any:
    text, kind = str(token), token.type
    if kind == "INT_LIT":
        return int(text, 0)
    if kind == "UINT_LIT":
        return int(text.rstrip("uU"), 0)
    if kind == "FLOAT_LIT":
        return float(text)
    if kind == "BOOL_LIT":
        return text == "true"
    if kind == "NULL_LIT":
        return None
    if kind in ("STRING_LIT", "MLSTRING_LIT"):
        return _unquote(text)
    return GuardError(f"{text} is a kind of literal that guards do not have")


def _unquote(text: str) -> str:
    raw = text[0] in "rR"
    body = text[1:] if raw else text
    width = 3 if body[:3] in ('"""', "'''") else 1
    inner = body[width:-width]
    if raw or "\\" not in inner:
        return inner
    # Escapes are decoded piecewise, so that text beyond Latin-1 survives.
    return "".join(
        piece[1:]
        if piece in ("\\?", "\\`")
        else piece.encode("latin-1", "backslashreplace").decode("unicode_escape")
        if piece.startswith("\\")
        else piece
        for piece in _ESCAPES.findall(inner)
    )
