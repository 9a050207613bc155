"""Avro bodies become JSON that people and rules can read; no body crashes or stalls the tap."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.codecs.avro import AvroSchema
from collector.codecs.schema import BadBody, BadSchema
from tests.collector.codecs.registry_server import wire
from tests.examples import examples


def logical(kind: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **rest}


def record(name: str = "R", **fields: Any) -> dict[str, Any]:
    described = [{"name": field, "type": type} for field, type in fields.items()]
    return {"type": "record", "name": name, "fields": described}


def schema(described: Any, *references: Any) -> AvroSchema:
    return AvroSchema(json.dumps(described), [json.dumps(one) for one in references])


def read(described: Any, value: Any) -> Any:
    text, problems = schema(described).decode(wire(1, described, value)[5:])
    assert problems == ()
    return msgspec.json.decode(text)


MOMENT = datetime(2026, 3, 1, 10, 4, 57, 500_000, UTC)


@pytest.mark.parametrize(
    ("described", "value", "shown"),
    [
        ("string", "käse", "käse"),
        ("long", -(2**63), -(2**63)),
        ("boolean", True, True),
        ("null", None, None),
        ("double", float("nan"), None),
        ("double", float("inf"), None),
        ("bytes", b"\x00\xff", "00ff"),
        ({"type": "fixed", "name": "F", "size": 2}, b"\x01\x02", "0102"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "map", "values": "bytes"}, {"k": b"\x0a"}, {"k": "0a"}),
        (["null", "string"], None, None),
        (["null", "string"], "x", "x"),
        (record(a="int", b=["null", record("Inner", c="string")]), {"a": 1, "b": {"c": "x"}},
         {"a": 1, "b": {"c": "x"}}),
        (logical("long", "timestamp-millis"), MOMENT, "2026-03-01T10:04:57.500000Z"),
        (logical("long", "timestamp-micros"), MOMENT, "2026-03-01T10:04:57.500000Z"),
        (logical("int", "date"), date(2026, 3, 1), "2026-03-01"),
        (logical("int", "time-millis"), time(10, 4, 57), "10:04:57"),
        (logical("bytes", "decimal", precision=9, scale=2), Decimal("-12.30"), -12.3),
        (logical("string", "uuid"), UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
)  # fmt: skip
def test_each_type_becomes_json(described: Any, value: Any, shown: Any) -> None:
    assert read(described, value) == shown


def test_a_decimal_keeps_every_digit() -> None:
    described = logical("bytes", "decimal", precision=38, scale=2)
    body = wire(1, described, Decimal("123456789012345678901234567890.10"))[5:]
    assert schema(described).decode(body)[0] == b"123456789012345678901234567890.10"


@pytest.mark.parametrize("raw", [2**63 - 1, -(2**63), 253_402_300_800_000])
def test_a_timestamp_that_no_calendar_holds_is_a_number_and_says_so(raw: int) -> None:
    described = record(until=logical("long", "timestamp-millis"), id="string")
    plain = record(until="long", id="string")
    text, problems = schema(described).decode(wire(1, plain, {"until": raw, "id": "x"})[5:])
    assert msgspec.json.decode(text) == {"until": raw, "id": "x"}
    assert problems == ("bad-logical-value",)


def test_a_uuid_that_is_none_is_a_text_and_says_so() -> None:
    text, problems = schema(logical("string", "uuid")).decode(wire(1, "string", "no uuid")[5:])
    assert (text, problems) == (b'"no uuid"', ("bad-logical-value",))


@pytest.mark.parametrize(
    ("described", "body"),
    [
        ("string", b""),
        ("string", b"\x0aabc"),
        ("string", b"\xfe\xff\xff\xff\xff\xff\x0fabc"),
        ("string", b"\x03abc"),
        ("string", b"\x02\xff"),
        ("long", b"\xff" * 30),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x10"),
        (["null", "string"], b"\x08"),
        ({"type": "array", "items": "long"}, b"\xfe\xff\xff\xff\xff\xff\x0f\x01"),
        (record(a="int", b="string"), b"\x02"),
        (record(a="int"), b"\x02\x02"),
        ("null", b"left over"),
    ],
)
def test_a_body_that_is_not_what_its_schema_says_is_refused(described: Any, body: bytes) -> None:
    with pytest.raises(BadBody) as refused:
        schema(described).decode(body)
    assert refused.value.problem == "bad-avro"


@pytest.mark.parametrize("depth", [400, 5_000, 1_000_000])
def test_a_body_nested_without_end_is_refused_and_no_crash(depth: int) -> None:
    linked = record("Link", next=["null", "Link"])
    with pytest.raises(BadBody):
        schema(linked).decode(b"\x02" * depth)


def test_a_list_that_refers_to_itself_is_read() -> None:
    linked = record("Link", n="int", next=["null", "Link"])
    value = {"n": 1, "next": {"n": 2, "next": None}}
    assert read(linked, value) == value


@pytest.mark.parametrize(
    "described",
    [
        {"type": "array", "items": "null"},
        {"type": "array", "items": record("Nothing")},
        record(a={"type": "array", "items": record("Inner", x="null", y=record("Deeper"))}),
        {"type": "map", "values": {"type": "array", "items": "null"}},
        {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}},
    ],
)
def test_a_schema_whose_bodies_could_be_endless_is_refused(described: Any) -> None:
    with pytest.raises(BadSchema, match="endless"):
        schema(described)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", '"Unknown"', "[" * 5_000 + "]" * 5_000,
     '{"type":"enum","name":"E","symbols":[1,1]}', "5"],
)  # fmt: skip
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(BadSchema):
        AvroSchema(text)


def test_schemas_may_refer_to_others_in_namespaces() -> None:
    code = {"type": "enum", "name": "Code", "namespace": "shop", "symbols": ["EUR"]}
    money = {**record("Money", amount="int", of="Code"), "namespace": "shop"}
    order = {**record("Order", total="Money", tip="shop.Money"), "namespace": "shop"}
    value = {"total": {"amount": 5, "of": "EUR"}, "tip": {"amount": 6, "of": "EUR"}}
    body = wire(1, order, value, names=[code, money])[5:]
    assert msgspec.json.decode(schema(order, code, money).decode(body)[0]) == value
    one_of = ["null", "shop.Money"]
    body = wire(1, one_of, value["tip"], names=[code, money])[5:]
    assert msgspec.json.decode(schema(one_of, code, money).decode(body)[0]) == value["tip"]


simple = st.sampled_from(["null", "int", "long", "string", "bytes", "boolean", "double"])
described_types = st.recursive(
    simple | st.just(logical("long", "timestamp-millis")) | st.just(logical("int", "date")),
    lambda inner: st.one_of(
        inner.map(lambda one: {"type": "array", "items": one}),
        inner.map(lambda one: {"type": "map", "values": one}),
        st.just(["null", "string", "long"]),
    ),
    max_leaves=4,
)


@settings(max_examples=examples(150))
@given(st.lists(described_types, max_size=4), st.binary(max_size=80))
def test_any_body_under_any_schema_is_json_or_refused(types: list[Any], body: bytes) -> None:
    described = record(**{f"f{i}": one for i, one in enumerate(types)})
    if "items': 'null'" in str(described):
        with pytest.raises(BadSchema, match="endless"):
            schema(described)
        return
    compiled = schema(described)
    try:
        text, _ = compiled.decode(body)
    except BadBody:
        return
    assert isinstance(msgspec.json.decode(text), dict)
