from __future__ import annotations

from aiokafka import ConsumerRecord

from demo.services.letters import (
    attempt_of,
    dead_letter_headers,
    due_of,
    retry_headers,
)

MOMENT = 1_772_359_200_123


def record(topic: str, headers: list[tuple[str, bytes]], offset: int = 200) -> ConsumerRecord:
    return ConsumerRecord(
        topic, 2, offset, MOMENT, 0, b"ord-00001", b"{}", None, 9, 2, tuple(headers)
    )


def test_numbers_are_written_as_java_writes_them() -> None:
    headers = dict(dead_letter_headers(record("inventory", [("type", b"x")]), "E", "m"))
    assert headers["type"] == b"x"
    assert headers["kafka_dlt-original-partition"] == b"\0\0\0\2"
    assert headers["kafka_dlt-original-offset"] == b"\0\0\0\0\0\0\0\xc8"
    assert headers["kafka_dlt-original-timestamp"] == MOMENT.to_bytes(8)


def test_each_try_replaces_the_headers_of_the_one_before_and_keeps_the_origin() -> None:
    first = record("payments", [("type", b"x")])
    assert (attempt_of(first), due_of(first)) == (1, 0)
    headers = retry_headers(first, 2, MOMENT + 5, "E", "m")
    again = record("payments-retry-0", headers, offset=3)
    assert (attempt_of(again), due_of(again)) == (2, MOMENT + 5)
    headers = retry_headers(again, 3, MOMENT + 9, "E", "m")
    assert len({name for name, _ in headers}) == len(headers)
    third = dict(headers)
    assert third["kafka_original-topic"] == b"payments"
    assert third["kafka_original-offset"] == (200).to_bytes(8)
    assert third["retry_topic-original-timestamp"] == MOMENT.to_bytes(6)
    assert third["retry_topic-attempts"] == b"\0\0\0\3"


def test_a_big_integer_has_room_for_its_sign() -> None:
    first = record("payments", [])
    assert dict(retry_headers(first, 2, 0x80, "E", "m"))["retry_topic-backoff-timestamp"] == (
        b"\0\x80"
    )
