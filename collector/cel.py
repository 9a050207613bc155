"""CEL to Python closures: parsed by a library, checked and compiled here, evaluated without it.

The subset of the rule language: operators, `in`, `has`, `size`, string tests, `matches` (RE2),
conversions, timestamps, durations, and one level of exists/all/filter/map.
"""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from celpy.celparser import CELParseError, CELParser
from lark import Token, Tree

from collector.cel_types import CONDITION, UNKNOWN, Mismatch, kind_of
from collector.cel_values import (
    BINARY,
    FUNCTIONS,
    METHODS,
    FieldMissing,
    index,
    pattern,
    select,
    size_of,
    truth,
    within_bounds,
)
from collector.event import Event
from collector.event_view import EventView, payload_of
from collector.times import how_durations_are_written

Environment = dict[str, Any]
Closure = Callable[[Environment], Any]

_ESCAPES = re.compile(
    r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3}|.)|[^\\]+", re.DOTALL
)

MAX_ELEMENTS = 1_000
MAX_LENGTH = 10_000
MAX_DEPTH = 300
"""Levels of the parse tree: a pair of brackets is about twelve, a term of a sum is two."""


class GuardError(Exception):
    """The guard is not CEL, or not of the subset; `column` counts from 1 within it."""

    def __init__(self, message: str, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


@functools.cache
def _parser() -> CELParser:
    return CELParser()


@functools.lru_cache(maxsize=64)
def parsed(text: str) -> Tree[Token]:
    """Its parse tree, which nobody changes: of one condition several ask, one after another."""
    return _parser().parse(text)


def compile_cel(text: str, variables: frozenset[str]) -> Closure:
    """The expression as a function of its variables; raises GuardError."""
    if len(text) > MAX_LENGTH:
        raise GuardError(f"longer than {MAX_LENGTH} characters")
    try:
        tree = parsed(text)
    except CELParseError as error:
        column = error.column if isinstance(error.column, int) else 1
        raise GuardError("this is not CEL; an operand or operator is wrong here", column) from error
    if _deeper_than(MAX_DEPTH, tree):
        raise GuardError("nested too deep: write several expectations, or a shorter one")
    return _Compiler(variables).closure(tree)


def compile_of_documents(
    text: str, variables: frozenset[str], called: Mapping[str, str]
) -> Closure | None:
    """The same as a function of decoded payloads, by what the variables are called there; who is
    not called anything is not there. None where it reads more than fields of them, or loops.
    `text` is CEL that compiles."""
    try:
        return _OfDocuments(variables, called).closure(parsed(text))
    except _ReadsMore:
        return None


def check_kinds(text: str, *, condition: bool) -> None:
    """Raises GuardError where an expression that compiles uses values as they cannot be used, or
    is meant as a condition and surely is none."""
    try:
        kind = kind_of(parsed(text))
    except Mismatch as error:
        raise GuardError(str(error), error.column) from error
    if condition and kind not in (UNKNOWN, CONDITION):
        raise GuardError(f"this is {kind}, and no condition")


def fields_read(text: str, part: str) -> frozenset[str] | None:
    """The fields that an expression reads of an event's `part`; None when it looks at it whole.

    `event.payload.a.b > cause.payload.c` reads `a` and `c` of the payload.
    """
    tree = parsed(text)
    fields: set[str] = set()
    looked_into = 0
    for node in tree.iter_subtrees():
        if node.data == "member_dot":
            base = unwrapped(node.children[0])
            if _is_part(base, part):
                looked_into += 1
                fields.add(str(node.children[1]))
    looked_at = sum(_is_part(node, part) for node in tree.iter_subtrees())
    return frozenset(fields) if looked_into == looked_at else None


def _is_part(tree: Any, part: str) -> bool:
    return isinstance(tree, Tree) and tree.data == "member_dot" and str(tree.children[1]) == part


def constant(tree: Any) -> Closure | None:
    """A part of CEL that compiles, where it reads nothing: what it always yields, or fails with."""
    try:
        return compile_part(tree, frozenset())
    except GuardError:
        return None


def compile_part(tree: Any, variables: frozenset[str]) -> Closure:
    """A part of CEL that compiles, as a function of these variables; raises GuardError where it
    reads others."""
    return _Compiler(variables).closure(tree)


def literal_of(tree: Any) -> object:
    """The value that stands there written out; None where another expression does, or null."""
    token = _only_token(tree)
    return _constant(token) if token is not None and token.type.endswith("_LIT") else None


def unwrapped(tree: Any) -> Any:
    """Without the grammar's levels that hold one thing only."""
    while isinstance(tree, Tree) and len(tree.children) == 1 and tree.data != "ident":
        tree = tree.children[0]
    return tree


def _deeper_than(limit: int, tree: Tree[Token]) -> bool:
    level: list[object] = [tree]
    for _ in range(limit):
        level = [child for one in level if isinstance(one, Tree) for child in one.children]
        if not level:
            return False
    return True


WRITTEN: dict[str, Callable[[str], str]] = {
    "duration": how_durations_are_written,
    "timestamp": lambda text: "write it with its zone, e.g. 2026-03-01T10:00:00Z",
}
"""By conversion, how to write what it takes, in place of what was written."""
_MACROS = ("exists", "all", "filter", "map")


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

    def _bounded(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        """In a loop, what is looked at a thousand times must be small."""
        if not self._in_macro:
            return compute

        def run(*values: Any) -> Any:
            for value in values:
                within_bounds(value)
            return compute(*values)

        return run

    def _binary(self, tree: Tree[Token], children: list[Any]) -> Closure:
        if len(children) != 2 or children[0].data not in BINARY:
            raise self._refuse(tree, f"`{tree.data}` is not part of the guards' language")
        compute = self._bounded(BINARY[children[0].data])
        left, right = self.closure(children[0].children[0]), self.closure(children[1])
        return lambda env: compute(left(env), right(env))

    def _expr(self, tree: Tree[Token], children: list[Any]) -> Closure:
        parts = [self.closure(c) for c in children]
        if len(parts) == 1:
            return parts[0]
        condition, yes, no = parts
        return lambda env: yes(env) if truth(condition(env)) else no(env)

    def _conditionalor(self, tree: Tree[Token], children: list[Any]) -> Closure:
        parts = [self.closure(c) for c in children]
        if len(parts) == 1:
            return parts[0]
        left, right = parts
        return lambda env: truth(left(env)) or truth(right(env))

    def _conditionaland(self, tree: Tree[Token], children: list[Any]) -> Closure:
        parts = [self.closure(c) for c in children]
        if len(parts) == 1:
            return parts[0]
        left, right = parts
        return lambda env: truth(left(env)) and truth(right(env))

    def _unary(self, tree: Tree[Token], children: list[Any]) -> Closure:
        if len(children) == 1:
            return self.closure(children[0])
        inner = self.closure(children[1])
        if children[0].data == "unary_not":
            return lambda env: not truth(inner(env))
        return lambda env: BINARY["addition_sub"](0, inner(env))

    def _member_dot(self, tree: Tree[Token], children: list[Any]) -> Closure:
        name, base = str(children[1]), unwrapped(children[0])
        if _is_part(base, "payload") and (variable := _identifier(base.children[0])) is not None:
            self._known(base, variable)
            return self._payload_field(variable, name)
        value = self.closure(children[0])
        return lambda env: select(value(env), name)

    def _payload_field(self, variable: str, name: str) -> Closure:
        return _payload_field(variable, name)

    def _member_index(self, tree: Tree[Token], children: list[Any]) -> Closure:
        value, key = self.closure(children[0]), self.closure(children[1])
        return lambda env: index(value(env), key(env))

    def _member_dot_arg(self, tree: Tree[Token], children: list[Any]) -> Closure:
        name = str(children[1])
        arguments = children[2].children if len(children) > 2 else []
        if name in _MACROS:
            return self._macro(tree, children[0], name, arguments)
        value = self.closure(children[0])
        if name == "size" and not arguments:
            return lambda env: size_of(value(env))
        if name not in METHODS or len(arguments) != 1:
            known = ", ".join([*METHODS, "size", *_MACROS])
            raise self._refuse(tree, f"`.{name}()` is not known here; there are {known}")
        method, argument = self._bounded(METHODS[name]), self.closure(arguments[0])
        if name == "matches":
            self._check_pattern(tree, arguments[0])
        return lambda env: method(value(env), argument(env))

    def _check_pattern(self, tree: Tree[Token], argument: Any) -> None:
        """A pattern that is written out is tried now; one from an event is when it comes."""
        token = _only_token(argument)
        if token is None or token.type not in ("STRING_LIT", "MLSTRING_LIT"):
            return
        try:
            pattern(_unquote(str(token)))
        except ValueError as error:
            raise self._refuse(tree, f"{token} is no RE2 pattern: {error}") from error

    def _check_conversion(self, tree: Tree[Token], name: str, argument: Any) -> None:
        """A time that is written out is tried now; one from an event is when it comes."""
        text = literal_of(argument)
        if name not in WRITTEN or not isinstance(text, str):
            return
        try:
            FUNCTIONS[name](text)
        except (ValueError, ArithmeticError) as error:
            what = f"`{text[:40]}` is no {name}; {WRITTEN[name](text)}"
            raise self._refuse(tree, what) from error

    def _macro(self, tree: Tree[Token], over: Any, name: str, arguments: list[Any]) -> Closure:
        if self._in_macro:
            raise self._refuse(tree, f"`.{name}()` inside another loop: one level is allowed")
        variable = _identifier(arguments[0]) if len(arguments) == 2 else None
        if variable is None:
            raise self._refuse(tree, f"`.{name}()` takes a name and a condition: x, x > 5")
        values = self.closure(over)
        inner = self._looping(variable).closure(arguments[1])

        def run(env: Environment) -> Any:
            elements = values(env)
            if not isinstance(elements, list) or len(elements) > MAX_ELEMENTS:
                raise TypeError("a loop needs a list, and a short one")
            results = (inner({**env, variable: element}) for element in elements)
            if name == "map":
                return list(results)
            if name == "filter":
                return [e for e, keep in zip(elements, results, strict=True) if truth(keep)]
            return (any if name == "exists" else all)(truth(r) for r in results)

        return run

    def _looping(self, variable: str) -> "_Compiler":
        return _Compiler(self._variables | {variable}, in_macro=True)

    def _ident_arg(self, tree: Tree[Token], children: list[Any]) -> Closure:
        name = str(children[0])
        arguments = children[1].children if len(children) > 1 else []
        if len(arguments) != 1 or (name != "has" and name not in FUNCTIONS):
            known = ", ".join(["has", *FUNCTIONS])
            raise self._refuse(
                tree, f"`{name}()` is not known here; of one value there are {known}"
            )
        argument = self.closure(arguments[0])
        if name == "has":
            return lambda env: _is_there(argument, env)
        self._check_conversion(tree, name, arguments[0])
        function = self._bounded(FUNCTIONS[name])
        return lambda env: function(argument(env))

    def _ident(self, tree: Tree[Token], children: list[Any]) -> Closure:
        name = str(children[0])
        self._known(tree, name)

        def run(env: Environment) -> Any:
            if name not in env:
                raise FieldMissing(name)
            value = env[name]
            return EventView(value) if isinstance(value, Event) else value

        return run

    def _known(self, tree: Tree[Token], name: str) -> None:
        if name not in self._variables:
            known = ", ".join(sorted(self._variables))
            raise self._refuse(tree, f"`{name}` is not known here; there are {known}")

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


class _ReadsMore(Exception):
    """Of an event than fields of its payload."""


class _OfDocuments(_Compiler):
    """In place of events there are the documents that their payloads tell."""

    def __init__(self, variables: frozenset[str], called: Mapping[str, str]) -> None:
        super().__init__(variables)
        self._called = called

    def _looping(self, variable: str) -> _Compiler:
        raise _ReadsMore  # its variable may be called as an event is

    def _payload_field(self, variable: str, name: str) -> Closure:
        event = self._called.get(variable)
        if event is None:
            return lambda env: select(None, name)

        def run(env: Environment) -> Any:
            document = env[event]
            if type(document) is dict and name in document:
                return document[name]
            return select(document, name)

        return run

    def _ident(self, tree: Tree[Token], children: list[Any]) -> Closure:
        raise _ReadsMore


def _payload_field(variable: str, name: str) -> Closure:
    """event.payload.x, what nearly every guard reads: one step instead of three."""

    def run(env: Environment) -> Any:
        event = env.get(variable)
        payload = payload_of(event) if type(event) is Event else _payload(env, variable)
        if type(payload) is dict and name in payload:
            return payload[name]
        return select(payload, name)

    return run


def _payload(env: Environment, variable: str) -> Any:
    try:
        holder = env[variable]
    except KeyError:
        raise FieldMissing(variable) from None
    if isinstance(holder, Event):
        return payload_of(holder)
    return holder.payload() if isinstance(holder, EventView) else select(holder, "payload")


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
