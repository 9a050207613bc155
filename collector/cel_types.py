"""What kind of value an expression yields, as far as that is sure before any event has come.

Payloads have no types: what they hold is unknown, and fits everywhere. What is sure and cannot
work is told when the rule is read, not by a condition that is silently never true.
"""

from lark import Token, Tree

UNKNOWN = ""
CONDITION, NUMBER, TEXT, LIST, TIME, DURATION, NULL = (
    "a condition", "a number", "a text", "a list", "a time", "a duration", "null",
)  # fmt: skip
FIELDS = {"name": TEXT, "topic": TEXT, "key": TEXT, "id": TEXT, "time": TIME}
OTHERS = ("headers", "payload")
"""Fields of an event that hold anything."""
EVENTS = ("event", "cause")
LITERALS = {
    "INT_LIT": NUMBER, "UINT_LIT": NUMBER, "FLOAT_LIT": NUMBER, "BOOL_LIT": CONDITION,
    "NULL_LIT": NULL, "STRING_LIT": TEXT, "MLSTRING_LIT": TEXT,
}  # fmt: skip
RESULTS = {
    "has": CONDITION, "size": NUMBER, "int": NUMBER, "uint": NUMBER, "double": NUMBER,
    "string": TEXT, "timestamp": TIME, "duration": DURATION,
}  # fmt: skip
TAKES = {
    "size": (TEXT, LIST), "int": (NUMBER, TEXT), "uint": (NUMBER, TEXT), "double": (NUMBER, TEXT),
    "string": (TEXT, NUMBER, CONDITION), "timestamp": (TEXT,), "duration": (TEXT,),
}  # fmt: skip
"""By function, the kinds that it makes something of."""
MACROS = {"exists": CONDITION, "all": CONDITION, "filter": LIST, "map": LIST}
ORDERED = (NUMBER, TEXT, TIME, DURATION)
COMPUTED = {
    (NUMBER, NUMBER): NUMBER, (TEXT, TEXT): TEXT, (LIST, LIST): LIST, (TIME, DURATION): TIME,
    (DURATION, TIME): TIME, (DURATION, DURATION): DURATION, (TIME, TIME): DURATION,
}  # fmt: skip


class Mismatch(Exception):
    """Values of these kinds cannot be used so; `column` counts from 1."""

    def __init__(self, message: str, tree: Tree[Token]) -> None:
        super().__init__(message)
        self.column = int(getattr(tree.meta, "column", 1))


def kind_of(tree: object) -> str:
    """Raises Mismatch. The tree is no deeper than the compiler allows."""
    if not isinstance(tree, Tree):
        return UNKNOWN
    children = [child for child in tree.children if child is not None]
    name = str(tree.data)
    if name == "literal":
        token = children[0]
        return LITERALS.get(token.type, UNKNOWN) if isinstance(token, Token) else UNKNOWN
    if name in ("list_lit", "exprlist"):
        for child in children:
            kind_of(child)
        return LIST if name == "list_lit" else UNKNOWN
    if name in ("member_dot", "member_dot_arg", "ident_arg", "member_index"):
        return _member(name, tree, children)
    if name in ("expr", "conditionalor", "conditionaland") and len(children) > 1:
        return _choice(name, children)
    if name == "unary" and len(children) == 2:
        inner = kind_of(children[1])
        if isinstance(children[0], Tree) and children[0].data == "unary_not":
            return _expect(children[1], inner, (CONDITION,), "`!` needs")
        return _expect(children[1], inner, (NUMBER,), "`-` needs")
    if len(children) == 2 and isinstance(children[0], Tree) and isinstance(children[1], Tree):
        return _binary(tree, children[0], children[1])
    kinds = [kind_of(child) for child in children]
    return kinds[0] if len(kinds) == 1 else UNKNOWN


def _expect(tree: object, kind: str, wanted: tuple[str, ...], what: str) -> str:
    if kind in (UNKNOWN, *wanted):
        return kind
    assert isinstance(tree, Tree)
    raise Mismatch(f"{what} {' or '.join(wanted)}, and this is {kind}", tree)


def _choice(name: str, children: list[object]) -> str:
    kinds = [kind_of(child) for child in children]
    if name == "expr":
        _expect(children[0], kinds[0], (CONDITION,), "what stands before `?` is")
        return kinds[1] if kinds[1] == kinds[2] else UNKNOWN
    sign = "`||`" if name == "conditionalor" else "`&&`"
    for child, kind in zip(children, kinds, strict=True):
        _expect(child, kind, (CONDITION,), f"{sign} needs")
    return CONDITION


def _binary(tree: Tree[Token], left: Tree[Token], right: Tree[Token]) -> str:
    operator = str(left.data)
    one, other = kind_of(left.children[0]) if left.children else UNKNOWN, kind_of(right)
    if operator in ("relation_eq", "relation_ne"):
        return CONDITION
    if operator == "relation_in":
        _expect(right, other, (LIST,), "`in` needs")
        return CONDITION
    if operator.startswith("relation_"):
        _expect(left, one, ORDERED, "an order needs")
        _expect(right, other, ORDERED, "an order needs")
        if one and other and one != other:
            raise Mismatch(f"{one} and {other} have no order", tree)
        return CONDITION
    if one and other and (one, other) not in COMPUTED:
        raise Mismatch(f"{one} and {other} cannot be computed with each other", tree)
    return COMPUTED.get((one, other), UNKNOWN)


def _member(name: str, tree: Tree[Token], children: list[object]) -> str:
    if name == "member_index":
        for child in children:
            kind_of(child)
        return UNKNOWN
    if name == "member_dot":
        return _field(tree, children[0], str(children[1]))
    arguments = [a for child in children if isinstance(child, Tree) for a in _arguments(child)]
    if name == "ident_arg":
        function = str(children[0])
        for argument in arguments:
            kind = kind_of(argument)
            if function in TAKES:
                _expect(argument, kind, TAKES[function], f"`{function}()` needs")
        return RESULTS.get(function, UNKNOWN)
    method, kind = str(children[1]), kind_of(children[0])
    if method in MACROS:
        _expect(children[0], kind, (LIST,), f"`.{method}()` needs")
        if len(arguments) == 2:
            inner = kind_of(arguments[1])
            if method != "map":
                _expect(arguments[1], inner, (CONDITION,), f"`.{method}()` needs")
        return MACROS[method]
    if method == "size":
        _expect(children[0], kind, (TEXT, LIST), "`.size()` needs")
        return NUMBER
    _expect(children[0], kind, (TEXT,), f"`.{method}()` needs")
    for argument in arguments:
        _expect(argument, kind_of(argument), (TEXT,), f"`.{method}()` needs")
    return CONDITION


def _arguments(tree: Tree[Token]) -> list[object]:
    return list(tree.children) if tree.data == "exprlist" else []


def _field(tree: Tree[Token], base: object, field: str) -> str:
    while isinstance(base, Tree) and len(base.children) == 1 and base.data != "ident":
        base = base.children[0]
    if isinstance(base, Tree) and base.data == "ident" and str(base.children[0]) in EVENTS:
        if field not in FIELDS and field not in OTHERS:
            known = ", ".join((*FIELDS, *OTHERS))
            raise Mismatch(f"`.{field}` is no field of an event; there are {known}", tree)
        return FIELDS.get(field, UNKNOWN)
    kind_of(base)
    return UNKNOWN
