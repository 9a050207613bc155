"""What must not be stored is not stored, however it is written."""

import base64

import msgspec
import pytest
from pydantic import ValidationError

from collector.event import Event
from tests.collector.records import NOW, Record, read, source

SECRET = "4111-1111-1111-1111"


def redacted(value: bytes | None, *places: str, **record: object) -> Event:
    return read(Record(value, **record), topics={"orders": {"redact": list(places)}})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "document", "kept"),
    [
        ("payload:card", {"card": SECRET, "n": 1}, {"card": "[redacted]", "n": 1}),
        ("payload.card", {"card": SECRET}, {"card": "[redacted]"}),
        ("payload:a.b", {"a": {"b": SECRET, "c": 1}}, {"a": {"b": "[redacted]", "c": 1}}),
        (
            "payload:cards[*].no",
            {"cards": [{"no": SECRET}, {"no": SECRET, "x": 2}, 3]},
            {"cards": [{"no": "[redacted]"}, {"no": "[redacted]", "x": 2}, 3]},
        ),
        ("payload:cards[*]", {"cards": [SECRET, [SECRET]]}, {"cards": ["[redacted]"] * 2}),
        ("payload:cards[1]", {"cards": ["open", SECRET]}, {"cards": ["open", "[redacted]"]}),
        ("payload:cards[*][*]", {"cards": [[SECRET], []]}, {"cards": [["[redacted]"], []]}),
        ("payload:card", {"card": {"no": SECRET}}, {"card": "[redacted]"}),
        ("payload:gone", {"n": 1}, {"n": 1}),
        ("payload:n.deeper", {"n": 1}, {"n": 1}),
    ],
)
def test_a_path_is_masked(place: str, document: object, kept: object) -> None:
    event = redacted(msgspec.json.encode(document), place)
    assert event.payload is not None
    assert msgspec.json.decode(event.payload) == kept
    assert SECRET not in event.payload


def test_of_a_field_that_stands_twice_both_are_gone() -> None:
    event = redacted(f'{{"card":"{SECRET}","card":"x {SECRET}"}}'.encode(), "payload:card")
    assert SECRET not in str(event)


def test_a_field_written_with_escapes_is_masked() -> None:
    event = redacted(f'{{"c\\u0061rd":"{SECRET}"}}'.encode(), "payload:card")
    assert SECRET not in str(event)


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("place", ["header:authorization", "header:AuthorizatioN"])
def test_a_header_is_masked_whatever_its_case(name: str, place: str) -> None:
    headers = [(name, SECRET.encode()), ("type", b"paid"), (name, b"\xff" + SECRET.encode())]
    event = redacted(b"{}", place, headers=headers)
    assert SECRET not in str(event)
    assert SECRET.encode().hex() not in str(event)
    assert event.headers.count("[redacted]") == 2
    assert event.name == "paid"


@pytest.mark.parametrize(
    "value",
    [
        f'{{"card":"{SECRET}"'.encode(),
        f"card={SECRET}".encode(),
        b"\xff" + SECRET.encode(),
        b'{"n":"\xff","card":"' + SECRET.encode() + b'"}',
        msgspec.json.encode(f'{{"card":"{SECRET}"}}'),
        b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b',"card":"' + SECRET.encode() + b'"}',
        b"",
    ],
)
def test_what_cannot_be_read_cannot_be_masked_and_is_not_kept(value: bytes) -> None:
    event = redacted(value, "payload:card")
    assert event.payload is None
    assert event.encoding == "none"
    assert "unredactable" in event.problems


def test_masking_a_header_alone_leaves_the_payload_as_it_came() -> None:
    event = redacted(b'{ "n" : 1.50 }', "header:authorization")
    assert event.payload == '{ "n" : 1.50 }'


def test_a_tombstone_needs_no_masking() -> None:
    event = redacted(None, "payload:card")
    assert (event.payload, event.problems) == (None, ("no-correlation-id",))


def test_what_is_masked_ties_nothing_and_names_nothing() -> None:
    event = read(
        Record(b'{"correlation_id":"c","id":"i","type":"t","order_id":"o"}'),
        keys={"order": {"from": ["payload:order_id"]}},
        name_from=["payload:type"],
        topics={
            "orders": {
                "redact": [f"payload:{f}" for f in ("correlation_id", "id", "type", "order_id")]
            }
        },
    )
    assert (event.correlation_ids, event.id, event.name, event.keys) == ((), None, "", ())


def test_masks_are_only_for_the_topics_that_they_name() -> None:
    settings = {"payments.*": {"redact": ["payload:card"]}}
    value = msgspec.json.encode({"card": SECRET})
    assert SECRET in (read(Record(value), topics=settings).payload or "")


@pytest.mark.parametrize("place", ["topic", "record", "traceparent", "card"])
def test_what_would_not_be_masked_may_not_be_asked_for(place: str) -> None:
    with pytest.raises(ValidationError, match="cannot be redacted"):
        source(topics={"orders": {"redact": [place]}})


def test_masking_changes_neither_time_nor_position() -> None:
    event = redacted(b'{"card":"x"}', "payload:card")
    assert (event.offset, event.arrival) == (7, NOW)


# Dropping, keys, and CloudEvents


def dropped(value: bytes, *paths: str, **record: object) -> Event:
    redact = [{"path": path, "how": "drop"} for path in paths]
    return read(Record(value, **record), topics={"orders": {"redact": redact}})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "value", "kept"),
    [
        ("payload:card", b'{"card":1,"n":2}', '{"n":2}'),
        ("payload:a.b", b'{"a":{"b":1,"c":2}}', '{"a":{"c":2}}'),
        ("payload:cards[*].no", b'{"cards":[{"no":1},{"no":2,"x":3}]}', '{"cards":[{},{"x":3}]}'),
        ("payload:cards[0]", b'{"cards":[1,2]}', '{"cards":[null,2]}'),
        ("payload:cards[*]", b'{"cards":[1,2]}', '{"cards":[null,null]}'),
    ],
)
def test_a_dropped_field_is_gone_and_the_others_keep_their_places(
    path: str, value: bytes, kept: str
) -> None:
    assert dropped(value, path).payload == kept


def test_headers_and_keys_can_be_dropped() -> None:
    headers = [("Auth", SECRET.encode()), ("type", b"paid"), ("auth", b"\xff")]
    event = dropped(b"{}", "header:auth", "key", headers=headers, key=SECRET.encode())
    assert (event.headers, event.key, event.name) == ('[["type","paid"]]', None, "paid")


def test_a_key_is_masked() -> None:
    event = redacted(b"{}", "key", key=SECRET.encode())
    assert (event.key, SECRET in str(event)) == ("[redacted]", False)
    assert redacted(b"{}", "key").key is None


def encoded(document: object) -> str:
    return base64.b64encode(msgspec.json.encode(document)).decode()


ENVELOPE = {"specversion": "1.0", "id": "1", "source": "s", "type": "paid", "subject": SECRET}
STRUCTURED = [("content-type", b"application/cloudevents+json")]


@pytest.mark.parametrize(
    "data",
    [
        {"data": {"card": SECRET, "n": 1}},
        {"data_base64": encoded({"card": SECRET, "n": 1})},
        {"data": {"n": 1}, "data_base64": encoded({"card": SECRET})},
    ],
)
def test_of_a_structured_cloud_event_data_and_attributes_are_masked(
    data: dict[str, object],
) -> None:
    value = msgspec.json.encode({**ENVELOPE, **data})
    event = redacted(value, "payload:card", "attribute:subject", headers=STRUCTURED)
    assert event.encoding == "cloudevents"
    stored = msgspec.json.decode(event.payload or "")
    assert (stored["subject"], stored["type"]) == ("[redacted]", "paid")
    assert SECRET not in str(event)
    assert base64.b64encode(SECRET.encode())[:8].decode() not in str(event)
    assert SECRET not in base64.b64decode(stored.get("data_base64", "")).decode()


def test_of_a_binary_cloud_event_an_attribute_is_a_header() -> None:
    headers = [("ce_id", b"1"), ("ce_type", b"paid"), ("ce_subject", SECRET.encode())]
    event = redacted(b"{}", "attribute:subject", headers=headers)
    assert SECRET not in str(event)
    assert event.name == "paid"


@pytest.mark.parametrize(
    "value",
    [
        msgspec.json.encode({**ENVELOPE, "data": f'{{"card":"{SECRET}"}}'}),
        msgspec.json.encode({**ENVELOPE, "data_base64": encoded(SECRET)}),
        msgspec.json.encode({**ENVELOPE, "data_base64": SECRET}),
        msgspec.json.encode({**ENVELOPE, "data_base64": [SECRET]}),
        msgspec.json.encode([SECRET]),
        msgspec.json.encode(f'{{"card":"{SECRET}"}}'),
        SECRET.encode(),
        b"\xff" + SECRET.encode(),
        b'{"specversion":"1.0","data":{"n":"\xff","card":"' + SECRET.encode() + b'"}}',
    ],
)
def test_an_envelope_that_cannot_be_looked_into_is_not_kept(value: bytes) -> None:
    event = redacted(value, "payload:card", headers=STRUCTURED)
    assert (event.payload, event.encoding) == (None, "none")
    assert "unredactable" in event.problems


@pytest.mark.parametrize("format", ["text", "bytes"])
def test_a_format_without_fields_keeps_nothing_where_a_field_is_secret(format: str) -> None:
    topics = {"orders": {"redact": ["payload:card"], "format": format}}
    event = read(Record(f'{{"card":"{SECRET}"}}'.encode()), topics=topics)
    assert (event.payload, event.problems[0]) == (None, "unredactable")
