"""Where a condition says that a field is something else, and never asks whether it is there.

`event.payload.x != 3` and `!event.payload.x` are false where there is no x: who means those events,
too, has to say so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lark import Token, Tree

from collector.cel import literal_of, parsed, unwrapped
from collector.cel_types import EVENTS

Path = tuple[object, ...]
"""The name of an event, or of a loop's element, and the keys that lead into it."""

MAY_LACK = ("payload", "headers", "key", "id")
"""Parts of an event that are not always there, or of which something is not."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Unasked:
    """A comparison, or a field that is true or false, and the fields in it that are not asked for;
    `column` counts from 1."""

    fields: tuple[str, ...]
    comparison: str
    column: int
    negated: bool
    """Whether it is the contrary that is asked: `!(event.payload.x == 3)`."""


def unasked(text: str) -> list[Unasked]:
    """In their order; a field is told once. `text` is CEL that compiles."""
    tree = parsed(text)
    asked = {path for one in tree.iter_subtrees() if (path := _asked(one)) is not None}
    told: set[Path] = set()
    found = []
    for comparison, negated in _differences(tree, negated=False):
        paths = [
            path
            for path in dict.fromkeys(_paths(comparison))
            if path not in told and not any(one[: len(path)] == path for one in asked)
        ]
        if paths:
            told.update(paths)
            meta = comparison.meta
            said = text[meta.start_pos : meta.end_pos]
            found.append(Unasked(tuple(map(_written, paths)), said, meta.column, negated))
    return found


def _asked(tree: Tree[Token]) -> Path | None:
    """The path in `has(path)`."""
    if tree.data == "ident_arg" and str(tree.children[0]) == "has" and len(tree.children) > 1:
        return path_of(tree.children[1])
    return None


def _differences(tree: object, *, negated: bool) -> Iterator[tuple[Tree[Token], bool]]:
    """Each `a != b`, and each `a == b`, `a in b` or field of which the contrary is asked."""
    node = unwrapped(tree)
    if not isinstance(node, Tree):
        return
    name, children = str(node.data), [child for child in node.children if child is not None]
    if name == "relation" and isinstance(children[0], Tree):
        operator = str(children[0].data)
        if operator in (("relation_eq", "relation_in") if negated else ("relation_ne",)):
            yield node, negated
    if negated and path_of(node) is not None:
        yield node, negated
        return
    if name == "unary" and isinstance(children[0], Tree) and children[0].data == "unary_not":
        yield from _differences(children[1], negated=not negated)
        return
    loop = name == "member_dot_arg" and str(children[1]) in ("exists", "all")
    for number, child in enumerate(children):
        keeps = (loop and number > 0) or name in ("conditionalor", "conditionaland", "exprlist")
        keeps = keeps or (name == "expr" and number > 0)
        yield from _differences(child, negated=negated and keeps)


def _paths(tree: object) -> Iterator[Path]:
    """The fields that are read here, as far as each path leads."""
    node = unwrapped(tree)
    path = path_of(node)
    if path is not None:
        if _may_lack(path):
            yield path
        return
    if isinstance(node, Tree) and _asked(node) is None:
        for child in node.children:
            yield from _paths(child)


def _may_lack(path: Path) -> bool:
    if len(path) < 2 or path[1:] == ("headers",):
        return False
    return path[0] not in EVENTS or path[1] in MAY_LACK


def path_of(tree: object) -> Path | None:
    """None where it is another expression."""
    node = unwrapped(tree)
    if not isinstance(node, Tree):
        return None
    if node.data == "ident":
        return (str(node.children[0]),)
    if node.data not in ("member_dot", "member_index"):
        return None
    base = path_of(node.children[0])
    if base is None:
        return None
    if node.data == "member_dot":
        return (*base, str(node.children[1]))
    key = literal_of(node.children[1])
    return (*base, key) if isinstance(key, str | int) else None


def _written(path: Path) -> str:
    """As one writes it: `event.headers["x"]`, `event.payload.x`."""
    first, *keys = path
    found = str(first)
    for number, key in enumerate(keys):
        plain = isinstance(key, str) and _WORD.fullmatch(key)
        dotted = plain and not (number and keys[0] == "headers")
        quoted = key if isinstance(key, int) else '"' + str(key).replace('"', '\\"') + '"'
        found += f".{key}" if dotted else f"[{quoted}]"
    return found
