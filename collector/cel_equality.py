"""What a condition over two events needs to be equal in them."""

from collections.abc import Iterator
from typing import Any

from lark import Tree

from collector.cel import Closure, compile_part, parsed, unwrapped
from collector.cel_absence import path_of


def equalities(text: str, one: str, other: str) -> list[tuple[Closure, Closure]]:
    """Each a path of the one variable, and a path of the other; `text` is CEL that compiles."""
    found = []
    for part in _conjuncts(parsed(text)):
        if part.data == "relation" and part.children[0].data == "relation_eq":
            sides = {_root(side): side for side in (part.children[0].children[0], part.children[1])}
            if sides.keys() == {one, other}:
                first, second = (compile_part(sides[v], frozenset((v,))) for v in (one, other))
                found.append((first, second))
    return found


def _conjuncts(tree: object) -> Iterator[Any]:
    """What must hold, each by itself, for all of it to hold."""
    node = unwrapped(tree)
    if isinstance(node, Tree) and node.data == "conditionaland":
        for part in node.children:
            yield from _conjuncts(part)
    elif isinstance(node, Tree):
        yield node


def _root(tree: object) -> object:
    """The variable that a path leads into; None where it is another expression."""
    path = path_of(tree) or ()
    return path[0] if len(path) > 1 else None
