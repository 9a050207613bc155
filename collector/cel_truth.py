"""Whether a condition can ever be true, as far as that is sure before any event has come."""

from collections.abc import Set

from lark import Tree

from collector.cel import constant, parsed, unwrapped
from collector.cel_types import UNKNOWN, kind_of
from collector.cel_values import FAILURES

Answers = Set[bool]
"""What a condition may say; nothing: it always fails, which counts as false."""

ANY: Answers = frozenset((True, False))


def never_true(text: str) -> bool:
    """`text` is CEL that compiles, and its kinds fit."""
    return True not in _answers(parsed(text))


def _answers(tree: object) -> Answers:
    node = unwrapped(tree)
    if not isinstance(node, Tree):
        return _constant(tree)
    name, children = str(node.data), [child for child in node.children if child is not None]
    if name == "conditionaland" and len(children) == 2:
        left, right = map(_answers, children)
        return {one and other for one in left for other in (right if one else (False,))}
    if name == "conditionalor" and len(children) == 2:
        left, right = map(_answers, children)
        return {one or other for one in left for other in (right if not one else (True,))}
    if name == "expr" and len(children) == 3:
        condition, yes, no = map(_answers, children)
        return {answer for one in condition for answer in (yes if one else no)}
    if name == "unary" and isinstance(children[0], Tree) and children[0].data == "unary_not":
        return {not answer for answer in _answers(children[1])}
    if name == "relation" and len(children) == 2 and isinstance(children[0], Tree):
        told = _of_kinds(str(children[0].data), children[0].children[0], children[1])
        if told is not None:
            return {told}
    return _constant(node)


def _of_kinds(operator: str, left: object, right: object) -> bool | None:
    """Values of two kinds are never equal."""
    one, other = kind_of(left), kind_of(right)
    if UNKNOWN in (one, other) or one == other:
        return None
    return {"relation_eq": False, "relation_ne": True}.get(operator)


def _constant(tree: object) -> Answers:
    compute = constant(tree)
    if compute is None:
        return ANY
    try:
        value = compute({})
    except FAILURES:
        return frozenset()
    return {value} if isinstance(value, bool) else frozenset()
