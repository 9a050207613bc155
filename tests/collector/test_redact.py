"""What must not be stored is not stored, however it is written."""

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


@pytest.mark.parametrize("place", ["key", "topic", "record", "card"])
def test_what_would_not_be_masked_may_not_be_asked_for(place: str) -> None:
    with pytest.raises(ValidationError, match="cannot be redacted"):
        source(topics={"orders": {"redact": [place]}})


def test_masking_changes_neither_time_nor_position() -> None:
    event = redacted(b'{"card":"x"}', "payload:card")
    assert (event.offset, event.arrival) == (7, NOW)
