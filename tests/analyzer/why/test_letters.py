"""What is a dead letter or a retry, of what, and which of the two."""

from __future__ import annotations

import msgspec
import pytest

from analyzer.rules.services import Service
from analyzer.why.letters import Letter, Origin, kind_by_name, letter_of, number, tied_by, ties
from collector.event import Event

CAUSE = Event("bus", "orders", "id", 2, 41, 0, 0, "A", ("x",), "i", (), "k", "[]", '{"n":1}')


def letter(topic: str, headers: list[tuple[str, object]], **changes: object) -> Event:
    raw = msgspec.json.encode(headers).decode()
    made = Event("bus", topic, topic, 0, 7, 5, 5, "?", headers=raw, payload='{"n":1}', key="k")
    return msgspec.structs.replace(made, **changes)


def read(event: Event, *services: Service) -> Letter:
    found = letter_of(event, services)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("orders.DLT", "dead_letter"), ("orders-dlt", "dead_letter"), ("orders_DLQ", "dead_letter"),
        ("orders-dead-letter", "dead_letter"), ("orders.deadletters", "dead_letter"),
        ("orders-dlt-0", "dead_letter"), ("orders-retry", "retry"), ("orders-retry-0", "retry"),
        ("orders.retry.12", "retry"), ("orders-retry-5000", "retry"), ("orders", None),
        ("orders-error", None), ("retries", None), ("DLT", None), ("orders-retryable", None),
        ("dltx", None),
    ],
)  # fmt: skip
def test_a_topic_is_known_by_its_name(topic: str, kind: str | None) -> None:
    assert kind_by_name(topic) == kind


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"17", 17), (b"\0\0\0\x02", 2), ((41).to_bytes(8), 41), (b"\x01\x97\x90\xab", 26_710_187),
        (b"", None), (None, None), (b"no number", None), (b"-1", None), (b"\xff" * 9, None),
    ],
)  # fmt: skip
def test_numbers_are_text_or_as_java_writes_them(raw: bytes | None, value: int | None) -> None:
    assert number(raw) == value


def test_a_header_that_is_not_utf8_is_read_all_the_same() -> None:
    headers: list[tuple[str, object]] = [
        ("kafka_dlt-original-topic", "orders"), ("kafka_dlt-original-partition", "\0\0\0\x02"),
        ("kafka_dlt-original-offset", {"hex": "00000000000000ff"}),
    ]  # fmt: skip
    assert read(letter("graves", headers)).origin == Origin("orders", 2, 255)


def test_of_repeated_headers_the_newest_counts() -> None:
    headers: list[tuple[str, object]] = [
        ("kafka_dlt-original-topic", "orders"), ("kafka_dlt-exception-message", "first"),
        ("kafka_dlt-exception-message", "last"),
    ]  # fmt: skip
    assert read(letter("graves", headers)).message == "last"


def test_the_topic_tells_what_became_of_one_with_the_headers_of_both() -> None:
    headers: list[tuple[str, object]] = [
        ("kafka_original-topic", "orders"), ("retry_topic-attempts", "4"),
    ]  # fmt: skip
    assert read(letter("orders-retry-1", headers)).kind == "retry"
    assert read(letter("orders-dlt", headers)).kind == "dead_letter"
    assert read(letter("graves", headers)).kind == "retry"
    service = Service("s", ("g",), ("A",), (), dead_letter=("grav*",))
    assert read(letter("graves", headers), service).kind == "dead_letter"


def test_an_event_of_another_topic_is_none() -> None:
    assert letter_of(CAUSE, ()) is None


def test_one_that_says_where_it_comes_from_is_believed() -> None:
    def said(offset: int) -> Letter:
        headers: list[tuple[str, object]] = [
            ("__connect.errors.topic", "orders"), ("__connect.errors.partition", "2"),
            ("__connect.errors.offset", str(offset)),
        ]  # fmt: skip
        return read(letter("graves", headers, id="i"))

    assert tied_by(said(41), CAUSE) == "origin"
    assert tied_by(said(42), CAUSE) is None


def test_one_without_headers_is_known_by_key_and_payload_on_the_topic_of_its_event() -> None:
    bare = letter("orders.DLT", [])
    assert tied_by(read(bare), CAUSE) == "payload"
    assert tied_by(read(letter("payments.DLT", [])), CAUSE) is None
    assert tied_by(read(msgspec.structs.replace(bare, payload='{"n":2}')), CAUSE) is None
    assert tied_by(read(msgspec.structs.replace(bare, key="other")), CAUSE) is None
    assert tied_by(read(msgspec.structs.replace(bare, payload=None)), CAUSE) == "key"
    assert tied_by(read(msgspec.structs.replace(bare, source="other")), CAUSE) is None
    assert tied_by(read(msgspec.structs.replace(bare, id="i")), CAUSE) == "event id"
    assert tied_by(read(msgspec.structs.replace(bare, id="j")), CAUSE) is None


def test_a_letter_of_a_letter_leads_back_to_the_first() -> None:
    first = letter("orders-retry-0", [], id="i", offset=3)
    headers: list[tuple[str, object]] = [
        ("kafka_dlt-original-topic", "orders-retry-0"), ("kafka_dlt-original-partition", "0"),
        ("kafka_dlt-original-offset", "3"),
    ]  # fmt: skip
    last = letter("orders.DLT", headers)
    found = ties([read(last), read(first)], CAUSE)
    assert {(one.kind, by) for one, by in found} == {
        ("retry", "event id"), ("dead_letter", "origin"),
    }  # fmt: skip
