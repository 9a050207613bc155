"""Which format a payload is taken for, and what each makes of it."""

import base64
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.codecs.content import Content, Needs
from collector.codecs.registry import Registry
from collector.codecs.table import CODECS
from collector.errors import RegistryAway
from collector.event import Event
from collector.fields import Fields
from collector.payload import document
from collector.places import parse_place
from collector.redact import Redact, Redaction
from collector.settings import Format, RegistrySettings
from tests.collector.codecs.registry_server import RegistryServer, head, registry_server, wire
from tests.collector.records import NOW, Record, read, reader, source
from tests.examples import examples

ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "type", "type": "string"},
        {"name": "correlation_id", "type": "string"},
        {"name": "amount", "type": {
            "type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    ],
}  # fmt: skip
VALUE = {"type": "order.created", "correlation_id": "c-7", "amount": Decimal("5.00")}
JSON = [("content-type", b"application/json")]


def typed(media_type: str) -> list[tuple[str, bytes]]:
    return [("correlation_id", b"c"), ("content-type", media_type.encode())]


def seen(event: Event) -> tuple[str | None, str, tuple[str, ...]]:
    return event.payload, event.encoding, event.problems


# Every row of the table


def place(text: str) -> Any:
    return parse_place(text)


async def asked_registry(server: RegistryServer) -> Registry:
    server.add(1, ORDER)
    server.add(2, "string")
    server.schemas[3] = {"schema": "{}", "schemaType": "JSON"}
    server.schemas[4] = {"schema": "x", "schemaType": "PROTOBUF"}
    registry = Registry("bus", RegistrySettings(url=server.url), lambda: NOW)
    await registry.ask({1, 2, 3, 4, 5})
    await registry.close()
    return registry


values = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda id, rest: head(id) + rest, st.integers(1, 6), st.binary(max_size=30)),
    st.builds(
        lambda data, cut: msgspec.json.encode({"specversion": "1.0", "type": "t", **data})[:cut],
        st.dictionaries(
            st.sampled_from(["id", "source", "data", "data_base64", "time"]),
            st.none() | st.text(max_size=8) | st.just("eyJhIjoxfQ==") | st.just({"a": [1]}),
        ),
        st.none() | st.integers(0, 60),
    ),
    st.sampled_from([b"[" * 10_000, b'{"data":' + b"[" * 10_000, b"5", b'"x"', b'{"data":1e999}']),
)
texts = st.dictionaries(
    st.sampled_from(["content-type", "ce_id", "ce_type", "Content-Type"]),
    st.sampled_from(["application/json", "application/cloudevents+json; charset=utf-8",
                     "text/plain", "avro/binary", "", "x"]) | st.text(max_size=5),
)  # fmt: skip


@pytest.mark.parametrize("format", CODECS)
@pytest.mark.parametrize("secret", [False, True])
async def test_whatever_the_bytes_each_codec_gives_a_content(format: Format, secret: bool) -> None:
    with registry_server() as server:
        registry = await asked_registry(server)
    places = [place("payload:a"), place("payload:b[*].c"), place("payload:[*]")]
    redaction = Redaction([Redact(place("payload:a"))], None) if secret else None
    codec = CODECS[format](Needs(Fields(places), ("type", "time"), redaction, registry))

    @settings(max_examples=examples(150))
    @given(values, texts)
    def holds(value: bytes, headers: dict[str, str]) -> None:
        try:
            content = codec(value, headers)
        except RegistryAway:
            assert value[:1] == b"\0"
            assert int.from_bytes(value[1:5], "big") not in {1, 2, 3, 4, 5}, "these were asked for"
            return
        assert isinstance(content, Content)
        assert content.encoding in ("json", "text", "hex", "none", "cloudevents", "avro")
        assert (content.payload is None) is (content.encoding == "none")
        assert len(content.values) == 3
        (content.payload or "").encode()
        if content.encoding in ("json", "avro", "cloudevents") and not content.problems:
            # A number beyond all bounds in a field that nobody named is nobody's problem.
            with suppress(msgspec.ValidationError):
                msgspec.json.decode(content.payload or "")
        if secret:
            assert content.encoding not in ("text", "hex")
            assert content.payload is not None or "unredactable" in content.problems

    holds()


# Text, bytes, JSON


@pytest.mark.parametrize(
    ("format", "value", "stored"),
    [
        ("json", b'{"a":1}', ('{"a":1}', "json", ())),
        ("json", b"words", ("words", "text", ("bad-json",))),
        ("json", b"", ("", "text", ("empty-payload",))),
        ("json", b"\xff", ("ff", "hex", ("not-utf8",))),
        ("text", b'{"a":1}', ('{"a":1}', "text", ())),
        ("text", b"words", ("words", "text", ())),
        ("text", b"", ("", "text", ())),
        ("text", b"\xff", ("ff", "hex", ("not-utf8",))),
        ("bytes", b"words", (b"words".hex(), "hex", ())),
        ("bytes", b"", ("", "hex", ())),
        ("auto", b'{"a":1}', ('{"a":1}', "json", ())),
        ("auto", b"words", ("words", "text", ("bad-json",))),
        ("auto", head(1) + b"x", ((head(1) + b"x").decode(), "text", ("bad-json",))),
    ],
)
def test_a_declared_format_is_what_counts(format: Format, value: bytes, stored: object) -> None:
    assert seen(read(Record(value, [("correlation_id", b"c")]), format=format)) == stored


def test_the_last_glob_that_names_a_format_counts() -> None:
    topics = {"*": {"format": "text"}, "orders": {"format": "bytes"}, "or*": {"redact": []}}
    assert read(Record(b"5"), format="json", topics=topics).encoding == "hex"
    assert reader("other", format="json", topics=topics).read(Record(b"5"), NOW).encoding == "text"


@pytest.mark.parametrize(
    ("media_type", "value", "stored"),
    [
        ("text/plain", b"words", ("words", "text", ())),
        ("text/plain; charset=utf-8", b'{"type":"x"}', ('{"type":"x"}', "json", ())),
        ("application/xml", b"<a/>", ("<a/>", "text", ())),
        ("application/json", b"<a/>", ("<a/>", "text", ("bad-json",))),
        ("application/vnd.shop+json", b"<a/>", ("<a/>", "text", ("bad-json",))),
        ("application/octet-stream", b"<a/>", ("<a/>", "text", ("bad-json",))),
        ("application/octet-stream", b"{}", ("{}", "json", ())),
        ("text/plain", b"\xff", ("ff", "hex", ("not-utf8",))),
    ],
)
def test_a_content_type_tells_whether_json_was_promised(
    media_type: str, value: bytes, stored: object
) -> None:
    assert seen(read(Record(value, typed(media_type)))) == stored


def test_a_list_can_be_looked_into_by_its_indices() -> None:
    value = b'[{"id":"a"},{"id":"b"}]'
    assert read(Record(value), correlation=["payload:[*].id"]).correlation_ids == ("a", "b")
    assert read(Record(value), correlation=["payload:[1].id"]).correlation_ids == ("b",)
    assert read(Record(b'["x","y"]'), correlation=["payload:[*]"]).correlation_ids == ("x", "y")
    assert read(Record(b'{"id":"a"}'), correlation=["payload:[*].id"]).correlation_ids == ()


# CloudEvents


CLOUD = {
    "specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.created",
    "time": "2026-03-01T10:04:57.5Z", "correlationid": "c-1", "causationid": "e-0",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}  # fmt: skip
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
BINARY = [*JSON, *((f"ce_{name}", value.encode()) for name, value in CLOUD.items())]
PLACES: dict[str, Any] = {
    "keys": {
        "cause": {"from": ["attribute:causationid"]},
        "trace": {"from": ["traceparent"]},
        "order": {"from": ["payload:order"]},
    }
}


def structured(data: Any = None, **changes: Any) -> Record:
    envelope = {**CLOUD, "data": data, **changes}
    return Record(
        msgspec.json.encode({k: v for k, v in envelope.items() if v is not None}), STRUCTURED
    )


@pytest.mark.parametrize("format", ["auto", "cloudevents"])
@pytest.mark.parametrize(
    "record",
    [
        structured({"order": 8}),
        structured(data_base64=base64.b64encode(b'{"order":8}').decode()),
        Record(b'{"order":8}', BINARY),
    ],
    ids=["structured", "base64", "binary"],
)
def test_cloud_events_need_no_configuration(record: Record, format: Format) -> None:
    event = read(record, format=format, **PLACES)
    assert event.problems == ()
    assert (event.name, event.id, event.correlation_ids) == ("order.created", "e-1", ("c-1",))
    assert event.time == NOW - 2_500_000
    assert dict(event.keys) == {
        "cause": "e-0", "trace": "4bf92f3577b34da6a3ce929d0e0e4736", "order": "8",
    }  # fmt: skip
    assert event.payload == (record.value or b"").decode()
    assert document(event.payload, event.encoding) == {"order": 8}


def test_data_that_is_no_json_is_no_problem() -> None:
    event = read(structured(data_base64="AP8="), **PLACES)
    assert (event.name, event.problems, event.encoding) == ("order.created", (), "cloudevents")
    with pytest.raises(LookupError):
        document(event.payload or "", "text")


@pytest.mark.parametrize(
    ("record", "problems"),
    [
        (structured({}, type=None), ("bad-cloudevent",)),
        (structured({}, id=""), ("bad-cloudevent",)),
        (Record(b"[]", STRUCTURED), ("bad-cloudevent", "no-correlation-id")),
        (Record(b"{", STRUCTURED), ("bad-json", "bad-cloudevent", "no-correlation-id")),
        (Record(b"\xff", STRUCTURED), ("not-utf8", "bad-cloudevent", "no-correlation-id")),
        (
            Record(b'{"a":1e999,"b":"\xff"}', STRUCTURED),
            ("not-utf8", "bad-cloudevent", "no-correlation-id"),
        ),
        (Record(b'{"a":1e999}', STRUCTURED), ("bad-cloudevent", "no-correlation-id")),
    ],
)
def test_an_envelope_that_is_none_is_kept_and_says_so(
    record: Record, problems: tuple[str, ...]
) -> None:
    event = read(record)
    assert event.problems == problems
    assert event.payload is not None


def test_in_a_topic_of_cloud_events_the_envelope_needs_no_content_type() -> None:
    bare = Record(structured({"order": 1}).value)
    assert read(bare, format="cloudevents").name == "order.created"
    assert read(bare).encoding == "json"
    assert "bad-cloudevent" in read(Record(b'{"a":1}'), format="cloudevents").problems


def test_attributes_are_only_those_of_cloud_events() -> None:
    event = read(Record(b'{"specversion":"1.0","type":"of payload","id":"p"}', JSON))
    assert (event.name, event.id) == ("of payload", "p")


# Avro


@pytest.fixture
def server() -> Any:
    with registry_server() as started:
        started.add(1, ORDER)
        started.add(2, "string")
        started.schemas[3] = {"schema": "{}", "schemaType": "JSON"}
        started.schemas[4] = {"schema": "x", "schemaType": "PROTOBUF"}
        yield started


async def read_wire(server: RegistryServer, record: Record, **changes: Any) -> Event:
    described = source(registry={"url": server.url}, **changes)
    registry = Registry("bus", described.registry, lambda: NOW)  # type: ignore[arg-type]
    one = type(reader())(described, "orders", "orders-id", described.special("orders"), registry)
    assert await one.readable([record]) == (1, None)
    event = one.event(record, NOW)
    await registry.close()
    assert event is not None
    return event


@pytest.mark.parametrize("format", ["auto", "avro", "cloudevents"])
async def test_avro_is_stored_as_json_and_looked_into(
    server: RegistryServer, format: Format
) -> None:
    headers = [] if format != "cloudevents" else [("ce_id", b"1"), ("ce_type", b"order.created")]
    value = wire(1, ORDER, VALUE)
    event = await read_wire(server, Record(value, headers), format=format)
    assert seen(event) == (
        '{"type":"order.created","correlation_id":"c-7","amount":5.00}', "avro", (),
    )  # fmt: skip
    assert (event.name, event.correlation_ids) == ("order.created", ("c-7",))
    assert document(event.payload or "", event.encoding) == {**VALUE, "amount": 5.0}


@pytest.mark.parametrize("format", ["auto", "avro"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (head(99) + b"x", "unknown-schema"),
        (head(2**32 - 1) + b"x", "unknown-schema"),
        (head(4) + b"x", "unsupported-schema"),
        (head(1) + b"\xff", "bad-avro"),
        (head(1), "bad-avro"),
        (wire(1, ORDER, VALUE) + b"\0", "bad-avro"),
    ],
)
async def test_what_cannot_be_decoded_is_kept_as_hex_with_the_reason(
    server: RegistryServer, format: Format, value: bytes, problem: str
) -> None:
    event = await read_wire(server, Record(value), format=format)
    assert seen(event) == (value.hex(), "hex", (problem, "no-correlation-id"))


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\0\0\0", b'{"a":1}', b"\1\0\0\0\1x", b"\xff"])
async def test_in_a_topic_of_avro_anything_else_is_bad(
    server: RegistryServer, value: bytes
) -> None:
    event = await read_wire(server, Record(value), format="avro")
    assert seen(event) == (value.hex(), "hex", ("bad-avro", "no-correlation-id"))
    assert not server.asked


async def test_elsewhere_json_and_text_are_what_they_were(server: RegistryServer) -> None:
    assert (await read_wire(server, Record(b'{"a":1}'))).encoding == "json"
    named = Record(wire(1, ORDER, VALUE), typed("text/plain"))
    assert (await read_wire(server, named)).encoding in ("text", "hex")
    assert not server.asked


async def test_a_schema_of_json_leaves_json(server: RegistryServer) -> None:
    event = await read_wire(server, Record(head(3) + b'{"type":"x"}'))
    assert (event.payload, event.encoding, event.name) == ('{"type":"x"}', "json", "x")


async def test_avro_is_redacted_like_json(server: RegistryServer) -> None:
    topics = {"*": {"redact": ["payload.correlation_id"]}}
    event = await read_wire(server, Record(wire(1, ORDER, VALUE)), topics=topics)
    assert "c-7" not in str(event)
    assert event.name == "order.created"
    event = await read_wire(server, Record(head(1) + b"secret"), topics=topics)
    assert seen(event)[:2] == (None, "none")


async def test_records_before_the_first_unknown_schema_need_not_wait(
    server: RegistryServer,
) -> None:
    described = source(registry={"url": server.url})
    assert described.registry is not None
    registry = Registry("bus", described.registry, lambda: NOW)
    one = type(reader())(described, "orders", "id", (), registry)
    await registry.ask({1})
    server.stop()
    known, json, tombstone = Record(wire(1, ORDER, VALUE)), Record(b"{}"), Record(None)
    waits = Record(head(2) + b"\0")
    assert await one.readable([known, json, tombstone, known]) == (4, None)
    count, away = await one.readable([known, json, waits, known])
    assert (count, isinstance(away, RegistryAway)) == (2, True)
    with pytest.raises(RegistryAway):
        one.event(waits, NOW)
    await registry.close()


async def test_what_was_lost_with_an_undecoded_record_is_a_gap(server: RegistryServer) -> None:
    described = source(registry={"url": server.url})
    assert described.registry is not None
    registry = Registry("bus", described.registry, lambda: NOW)
    one = type(reader())(described, "orders", "id", (), registry)
    sure = [("type", b"paid"), ("correlation_id", b"c")]
    records = [
        Record(head(99), sure, offset=1),
        Record(b"{bad", offset=2),
        Record(wire(1, ORDER, VALUE), offset=3),
    ]
    await one.readable(records)
    for record in records:
        one.event(record, NOW)
    assert one.take_gaps() == [], "its name and ID were told by headers, or it is JSON"
    for offset in (4, 5):
        one.event(Record(head(99), sure[offset - 4 : offset - 3], offset=offset), NOW)
    (gap,) = one.take_gaps()
    assert (gap.from_offset, gap.to_offset, gap.reason) == (4, 6, "undecodable: unknown-schema")
    assert one.take_gaps() == []
    await registry.close()
