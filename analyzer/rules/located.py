"""YAML with the place of every key and value, so that a mistake can be pointed at."""

from collections.abc import Iterator
from dataclasses import dataclass

from ruamel.yaml import YAML, MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.error import MarkedYAMLError, YAMLError

MAX_BYTES = 1_000_000
MAX_DEPTH = 30

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


def parse(raw: bytes) -> Value:
    """The document; raises Broken at the first place where it is not one."""
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
    except (YAMLError, RecursionError, ValueError) as error:
        raise Broken(f"this is not YAML: {error}", Place(1, 1)) from error
    if node is None:
        raise Broken("the file is empty", Place(1, 1))
    return _value(node, 0, yaml)


def _value(node: object, depth: int, yaml: YAML) -> Value:
    place = Place(node.start_mark.line + 1, node.start_mark.column + 1)  # type: ignore[attr-defined]  # every node has it
    if depth > MAX_DEPTH:
        raise Broken(f"nested deeper than {MAX_DEPTH}", place)
    if getattr(node, "anchor", None):
        raise Broken("anchors and aliases are not part of the rule language", place)
    if isinstance(node, ScalarNode):
        return Value(place, _scalar(node, place, yaml))
    if isinstance(node, SequenceNode):
        return Value(place, [_value(child, depth + 1, yaml) for child in node.value])
    if isinstance(node, MappingNode):
        return Value(place, *_mapping(node, depth, yaml))
    raise Broken("a kind of YAML value that rule files do not have", place)


def _scalar(node: ScalarNode, place: Place, yaml: YAML) -> Scalar:
    try:
        data = yaml.constructor.construct_object(node, deep=True)
    except (YAMLError, ValueError) as error:
        raise Broken(f"this value cannot be read: {node.value!r}", place) from error
    # Dates and the like stay text: the language has no use for them.
    return data if isinstance(data, str | int | float | bool | None) else str(node.value)


def _mapping(
    node: MappingNode, depth: int, yaml: YAML
) -> tuple[dict[str, Value], dict[str, Place]]:
    data: dict[str, Value] = {}
    keys: dict[str, Place] = {}
    for key_node, value_node in node.value:
        place = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if not isinstance(key_node, ScalarNode):
            raise Broken("a key must be plain text", place)
        key = str(key_node.value)
        if key in data:
            raise Broken(f"`{key}` stands here twice; the first is on line {keys[key].line}", place)
        data[key] = _value(value_node, depth + 1, yaml)
        keys[key] = place
    return data, keys


def items(value: Value) -> Iterator[tuple[str, Place, Value]]:
    """The entries of a mapping, with the places of their keys."""
    if isinstance(value.data, dict) and value.keys is not None:
        for key, inner in value.data.items():
            yield key, value.keys[key], inner
