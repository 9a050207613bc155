"""YAML with the place of every key and value, so that a mistake can be pointed at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ruamel.yaml import YAML, MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.reader import ReaderError

MAX_BYTES = 1_000_000
MAX_DEPTH = 30

_YAML_TAG = "tag:yaml.org,2002:"
TAGS = frozenset(
    _YAML_TAG + kind
    for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)
"""What plain YAML is resolved to; `<<` and `=` are keys like others here, and unknown ones."""

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int


class Broken(Exception):
    """Not YAML, or not the subset that rule files are written in."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class Value:
    """One value: a scalar, a list of values, or a mapping of keys with their places."""

    place: Place
    data: "Scalar | list[Value] | dict[str, Value]"
    keys: dict[str, Place] | None = None

    def plain(self) -> object:
        """The same without places."""
        if isinstance(self.data, list):
            return [item.plain() for item in self.data]
        if isinstance(self.data, dict):
            return {key: value.plain() for key, value in self.data.items()}
        return self.data


Note = Callable[[Place, str], None]


def parse(raw: bytes, note: Note) -> Value:
    """The document; what it has besides the subset is noted, and read as nothing.

    Raises Broken at the first place where it is no YAML at all.
    """
    if len(raw) > MAX_BYTES:
        raise Broken(f"larger than {MAX_BYTES // 1000} kB: that is no rule file", Place(1, 1))
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Broken("this is not UTF-8 text", Place(line, 1)) from error
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        raise Broken(f"this is not YAML: {error.problem or error.context}", place) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        what = f"the character #x{int(error.character):04x} has no place in YAML"
        raise Broken(what, Place(line, column)) from error
    except RecursionError as error:
        raise Broken(f"nested deeper than {MAX_DEPTH}", _too_deep(text)) from error
    except (YAMLError, ValueError) as error:
        raise Broken(f"this is not YAML: {str(error).splitlines()[0]}", Place(1, 1)) from error
    if node is None:
        raise Broken("the file is empty", Place(1, 1))
    return _Reader(yaml, note).value(node, 0)


def _too_deep(text: str) -> Place:
    """Where it is nested deeper than allowed; the parser's events need no recursion."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            return _place(event)
    return Place(1, 1)


class _Reader:
    """Walks the nodes; what is no part of the rule language is noted where it stands."""

    def __init__(self, yaml: YAML, note: Note) -> None:
        self._yaml = yaml
        self._note = note

    def value(self, node: object, depth: int) -> Value:
        place = _place(node)
        if depth > MAX_DEPTH:
            self._note(place, f"nested deeper than {MAX_DEPTH}")
        elif getattr(node, "anchor", None):
            # Not followed: an alias of an alias of an alias may stand for millions of values.
            self._note(place, "anchors and aliases are not part of the rule language")
        elif str(getattr(node, "tag", "")) not in TAGS:
            tag = str(getattr(node, "tag", "")).replace(_YAML_TAG, "!!")
            self._note(place, f"tags such as `{tag[:40]}` are not part of the rule language")
        elif isinstance(node, ScalarNode):
            return Value(place, self._scalar(node, place))
        elif isinstance(node, SequenceNode):
            return Value(place, [self.value(child, depth + 1) for child in node.value])
        elif isinstance(node, MappingNode):
            return Value(place, *self._mapping(node, depth))
        return Value(place, None)

    def _scalar(self, node: ScalarNode, place: Place) -> Scalar:
        try:
            data = self._yaml.constructor.construct_object(node, deep=True)
        except (YAMLError, ValueError, TypeError, LookupError, AttributeError):
            self._note(place, f"this value cannot be read: {str(node.value)[:40]!r}")
            return None
        # Dates and the like stay text: the language has no use for them.
        return data if isinstance(data, str | int | float | bool | None) else str(node.value)

    def _mapping(self, node: MappingNode, depth: int) -> tuple[dict[str, Value], dict[str, Place]]:
        data: dict[str, Value] = {}
        keys: dict[str, Place] = {}
        for key_node, value_node in node.value:
            place = _place(key_node)
            if not isinstance(key_node, ScalarNode):
                self._note(place, "a key must be plain text")
                continue
            key = str(key_node.value)
            value = self.value(value_node, depth + 1)
            if key in data:
                first = keys[key].line
                self._note(place, f"`{key}` stands here twice; the first is on line {first}")
                continue
            data[key], keys[key] = value, place
        return data, keys


def _place(node: object) -> Place:
    mark = node.start_mark  # type: ignore[attr-defined]  # every node has it
    return Place(mark.line + 1, mark.column + 1)


def items(value: Value) -> Iterator[tuple[str, Place, Value]]:
    """The entries of a mapping, with the places of their keys."""
    if isinstance(value.data, dict) and value.keys is not None:
        for key, inner in value.data.items():
            yield key, value.keys[key], inner


def at_key(value: Value | None, key: str) -> Value | None:
    """What stands at this key of a mapping; None where there is none."""
    return value.data.get(key) if value is not None and isinstance(value.data, dict) else None


def entries(value: Value | None) -> Iterator[Value]:
    """The values of a mapping."""
    if value is not None and isinstance(value.data, dict):
        yield from value.data.values()


def elements(value: Value | None) -> Iterator[Value]:
    """The elements of a list."""
    if value is not None and isinstance(value.data, list):
        yield from value.data
