"""What is hashed ties and is found, and tells nobody what it was."""

import pytest
from pydantic import ValidationError

from collector.event import Event
from collector.hashing import Hasher, spellings
from collector.normalise import NORMALISERS
from collector.settings import Normalise
from tests.collector.records import Record, read, source

KEY = "0123456789abcdef"
UUID = "C56A4180-65AA-42EC-A945-5FD21DEC0538"


def hashed(value: bytes, *paths: str, **settings: object) -> Event:
    redact = [{"path": path, "how": "hash"} for path in paths]
    record = Record(value, [("correlation_id", b"c-1"), ("user", b"Ann")], b"ann@example.com")
    return read(record, hash_key=KEY, topics={"*": {"redact": redact}}, **settings)


def test_a_hashed_value_is_found_by_the_plain_one() -> None:
    event = hashed(
        b'{"email":"ann@example.com","n":5}', "payload:email",
        keys={"email": {"from": ["payload:email"]}},
    )  # fmt: skip
    assert "ann@" not in (event.payload or "")
    ((_, stored),) = event.keys
    assert stored in spellings([source(hash_key=KEY)], "ann@example.com")
    assert stored not in spellings([source(hash_key=KEY[::-1])], "ann@example.com")
    assert stored not in spellings([source(hash_key=KEY)], "bob@example.com")


def test_hashed_correlation_ids_tie() -> None:
    by_header = hashed(b"{}", "header:correlation_id")
    by_payload = hashed(
        b'{"correlation_id":"c-1"}',
        "payload:correlation_id",
        correlation=["payload:correlation_id"],
    )
    by_key = hashed(b"{}", "key", correlation=["key"])
    assert by_header.correlation_ids == by_payload.correlation_ids
    assert by_header.correlation_ids[0].startswith("hash:")
    assert by_key.key == by_key.correlation_ids[0] != by_header.correlation_ids[0]


def test_different_spellings_of_one_id_have_one_hash() -> None:
    ids = [UUID.encode(), b"{" + UUID.lower().encode() + b"}", UUID.replace("-", "").encode()]
    found = {
        hashed(
            b'{"correlation_id":"' + id + b'"}', "payload:correlation_id",
            normalise="uuid", correlation=["payload:correlation_id"],
        ).correlation_ids
        for id in ids
    }  # fmt: skip
    assert len(found) == 1


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b'{"a":null}', '{"a":null}'),
        (b'{"a":""}', '{"a":""}'),
        (b'{"a":true}', '{"a":"[redacted]"}'),
        (b'{"a":["x"]}', '{"a":"[redacted]"}'),
        (b'{"a":{"b":1}}', '{"a":"[redacted]"}'),
    ],
)
def test_what_is_no_identifier_is_masked_or_nothing(value: bytes, kept: str) -> None:
    assert hashed(value, "payload:a").payload == kept


def test_numbers_and_texts_are_one_identifier() -> None:
    assert hashed(b'{"a":5}', "payload:a").payload == hashed(b'{"a":"5"}', "payload:a").payload


def test_what_was_hashed_stays_as_it_is() -> None:
    hasher = Hasher(KEY, str)
    assert hasher(hasher("x")) == hasher("x") != hasher("y")


def test_a_hash_needs_a_key_that_cannot_be_guessed() -> None:
    topics = {"*": {"redact": [{"path": "key", "how": "hash"}]}}
    with pytest.raises(ValidationError, match="needs `hash_key:`"):
        source(topics=topics)
    with pytest.raises(ValidationError, match="16"):
        source(topics=topics, hash_key="short")
    assert KEY not in repr(source(topics=topics, hash_key=KEY))


@pytest.mark.parametrize(
    ("how", "text", "normal"),
    [
        ("none", "AbC", "AbC"),
        ("lower", "AbC", "abc"),
        ("uuid", UUID, UUID.lower()),
        ("uuid", f"urn:uuid:{UUID}", UUID.lower()),
        ("uuid", f" {{{UUID}}} ", UUID.lower()),
        ("uuid", UUID.replace("-", ""), UUID.lower()),
        ("uuid", "ORD-7", "ORD-7"),
        ("uuid", UUID + "0", UUID + "0"),
    ],
)
def test_ids_are_written_in_one_way(how: Normalise, text: str, normal: str) -> None:
    assert NORMALISERS[how](text) == normal
    event = read(Record(b"{}", [("correlation_id", text.encode())]), normalise=how)
    assert event.correlation_ids == (normal,)
    event = read(
        Record(b"{}", [("correlation_id", text.encode())]), topics={"*": {"normalise": how}}
    )
    assert event.correlation_ids == (normal,)


def test_ids_that_are_one_when_normalised_are_one() -> None:
    event = read(
        Record(b'{"ids":["A","a","B"]}'), correlation=["payload:ids[*]"], normalise="lower"
    )
    assert event.correlation_ids == ("a", "b")


def test_a_topic_may_have_places_of_its_own() -> None:
    topics = {"orders": {"correlation": ["traceparent", "key"]}}
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    header = ("traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())
    assert read(Record(b"{}", [header], b"k"), topics=topics).correlation_ids == (trace,)
    assert read(Record(b"{}", [("traceparent", b"x")], b"k"), topics=topics).correlation_ids == (
        "k",
    )
