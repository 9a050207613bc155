"""What is read into structs of ours is read by decoders that were made when their module was.

Made when it is first needed, by several threads at once, msgspec's knowledge of a struct that holds
other structs is used before it is whole, and the process dies.
"""

import ast
import builtins
from pathlib import Path

import pytest

from collector.sources import event_columns, event_line

ROOT = Path(__file__).parent.parent
PACKAGES = ("analyzer", "collector", "demo", "nonevent", "ui")
KNOWN_BEFORE = {Path(event_columns.__file__): event_line._decoder}
"""Modules that convert into a struct for which another one has made a decoder."""


@pytest.mark.parametrize("package", PACKAGES)
def test_no_thread_is_the_first_to_read_a_struct(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text())
        made = {id(node) for outer in tree.body for node in _once(outer)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and id(node) not in made and path not in KNOWN_BEFORE:
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert not _reads_a_struct(node), f"{place}: make its Decoder once, at the top"


def _once(outer: ast.stmt) -> list[ast.AST]:
    """What is done when the module is loaded."""
    functions = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
    return [] if isinstance(outer, functions) else list(ast.walk(outer))


def _reads_a_struct(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr == "convert":
        return isinstance(call.func.value, ast.Name) and call.func.value.id == "msgspec"
    if call.func.attr != "decode":
        return False
    types = [one.value for one in call.keywords if one.arg == "type"]
    names = {node.id for one in types for node in ast.walk(one) if isinstance(node, ast.Name)}
    return any(not hasattr(builtins, name) and name != "Any" for name in names)


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("msgspec.json.decode(raw, type=Place)", True),
        ("msgspec.json.decode(raw, type=list[Place])", True),
        ("msgspec.convert(row, kind)", True),
        ("msgspec.json.decode(raw, type=dict[str, Any])", False),
        ("raw.decode()", False),
        ("_place(raw)", False),
    ],
)
def test_it_tells_them_apart(text: str, reads: bool) -> None:
    (statement,) = ast.parse(text).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    assert _reads_a_struct(statement.value) is reads
