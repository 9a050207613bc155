"""Many records at once are read as each of them is by itself."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import by_column
from collector.decode import Reader
from collector.event import Event
from collector.record import LAST_MS, Headers
from tests.collector.records import NOW, STAMP, Record, reader
from tests.examples import examples

YEAR_1970_MS = 5_000


def order(number: int, **changes: Any) -> Record:
    """As one producer writes them."""
    document = {
        "occurred_at": f"2026-03-01T10:04:5{number % 10}.{number % 1000:03d}Z",
        "order_id": number,
        "customer": {"id": f"cus-{number}"},
        "items": [{"sku": "a"}, {"sku": f"b{number}"}],
    }
    headers = [
        ("type", b"order.created"),
        ("correlation_id", b"cor-%d" % number),
        ("event_id", b"e-%d" % number),
        ("content-type", b"application/json"),
    ]
    given = {"value": msgspec.json.encode(document), "headers": headers, "key": b"k%d" % number}
    return Record(**{**given, "offset": number, **changes})


def with_header(name: str, raw: bytes | None) -> Callable[[Record], Headers]:
    return lambda record: [*record.headers, (name, raw)]  # type: ignore[list-item]


def without(name: str) -> Callable[[Record], Headers]:
    return lambda record: [pair for pair in record.headers if pair[0] != name]


def changed(name: str, raw: bytes) -> Callable[[Record], Headers]:
    return lambda record: [(n, raw if n == name else v) for n, v in record.headers]


HEADERS: dict[str, Callable[[Record], Headers]] = {
    "none": lambda record: (),
    "one that stands twice": with_header("type", b"again"),
    "no text": with_header("n", b"\xff"),
    "no value": with_header("n", None),
    "an empty one": changed("correlation_id", b""),
    "a quote": changed("event_id", b'"\\'),
    "a newline": changed("event_id", b"a\nb\x7f\x00"),
    "another language": changed("type", "bestellung.aufgegeben.ü…😀".encode()),
    "a name with a sign of its own": with_header('%s"\n', b"%d"),
    "another order": lambda record: [*reversed(record.headers)],
    "no name": without("type"),
    "no correlation ID": without("correlation_id"),
    "neither": lambda record: without("type")(
        Record(headers=without("correlation_id")(record))
    ),
    "a masked one": changed("correlation_id", b"***"),
    "another content type": changed("content-type", b"text/plain; charset=utf-8"),
    "a structured cloud event": changed("content-type", b"Application/CloudEvents+JSON"),
    "a binary cloud event": lambda record: [
        ("ce_type", b"t"), ("ce_id", b"i"), ("ce_time", b"2026-03-01T10:04:00Z")
    ],
}  # fmt: skip
OTHERS: dict[str, dict[str, Any]] = {
    "tombstone": {"value": None},
    "empty": {"value": b""},
    "text": {"value": b"hello"},
    "no text": {"value": b"\xff\xfe"},
    "in a string no text": {"value": b'{"order_id":"\xff"}'},
    "cut": {"value": b'{"order_id":1,'},
    "a list": {"value": b'[{"order_id":1}]'},
    "a number": {"value": b"5"},
    "a number too large": {"value": b'{"order_id":1e999}'},
    "deep": {"value": b'{"order_id":' + b"[" * 3_000},
    "other fields": {"value": b'{"other":"\\u00fc"}'},
    "numbers": {"value": b'{"order_id":0,"occurred_at":1772359490000.5}'},
    "an empty string": {"value": b'{"order_id":"","occurred_at":""}'},
    "no time": {"value": b'{"occurred_at":"yesterday"}'},
    "a time of 1970": {"value": b'{"occurred_at":%d}' % YEAR_1970_MS},
    "a time of 2100": {"value": b'{"occurred_at":"2100-01-01T00:00:00.000Z"}'},
    "long": {"value": b'{"note":"' + b"x" * 3_000 + b'"}'},
    "no key": {"key": None},
    "a key of bytes": {"key": b"\xff\x00"},
    "an empty key": {"key": b""},
    "no record time": {"timestamp": -1},
    "the last record time": {"timestamp": LAST_MS - 1, "value": b"{}"},
    "a record time of no calendar": {"timestamp": LAST_MS},
    "an old record": {"timestamp": 1_000},
    "a zero byte": {"value": b"\0\0\0\0\1{}"},
    "a cloud event": {"value": b'{"specversion":"1.0","id":"i","source":"s","type":"t"}'},
}


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """Mostly plain ones, with some among them that are not."""
    found = [order(number) for number in range(draw(st.integers(1, 40)))]
    if draw(st.booleans()):
        # All alike, but not as usual.
        name = draw(st.sampled_from(sorted(HEADERS)))
        found = [order(one.offset, headers=HEADERS[name](one)) for one in found]
    for row in draw(st.lists(st.integers(0, len(found) - 1), max_size=4)):
        one = found[row]
        if draw(st.booleans()):
            headers = HEADERS[draw(st.sampled_from(sorted(HEADERS)))](one)
            found[row] = order(one.offset, headers=headers)
        else:
            found[row] = order(one.offset, **OTHERS[draw(st.sampled_from(sorted(OTHERS)))])
    return found


places = st.lists(
    st.sampled_from(
        ["header:type", "header:correlation_id", "attribute:type", "payload:order_id", "key",
         "payload:customer.id", "payload:items[*].sku", "payload:items[1].sku", "payload:[0]",
         "payload:occurred_at", "traceparent", "topic", "record", "header:n"]
    ),
    min_size=1, max_size=3,
)  # fmt: skip
configurations = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(["auto", "json", "cloudevents", "text", "bytes"]),
        "name_from": places,
        "id_from": places,
        "time_from": places,
        "correlation": places,
        "normalise": st.sampled_from(["none", "lower", "uuid"]),
        "keys": st.dictionaries(
            st.sampled_from(["a", "b"]), places.map(lambda some: {"from": some})
        ),
        "topics": st.fixed_dictionaries(
            {},
            optional={
                "ignore": st.sampled_from(["event.name == 'again'", "event.payload.order_id > 5"]),
                "sample": st.just(0.5),
                "store": st.sampled_from(["headers", "position"]),
                "max_payload": st.just("1KB"),
                "redact": st.just([{"path": "payload:order_id", "how": "mask"}]),
            },
        ).map(lambda topic: {"*": topic}),
    },
)


def compared(given_records: list[Record], **configuration: Any) -> list[Event]:
    """The events, which are the same either way, as is what is counted."""
    alone, together = reader(**configuration), reader(**configuration)
    expected = [event for one in given_records if (event := alone.event(one, NOW)) is not None]
    found = together.events(0, given_records, NOW)
    assert found == expected
    assert together.problems == alone.problems
    assert together.skipped == alone.skipped
    assert together.take_gaps() == alone.take_gaps()
    return found


@settings(max_examples=examples(200))
@given(configurations, records())
def test_whatever_is_among_them_and_whatever_is_configured(
    configuration: dict[str, Any], given_records: list[Record]
) -> None:
    compared(given_records, **configuration)


@pytest.mark.parametrize("name", sorted(OTHERS))
@pytest.mark.parametrize("format", ["auto", "json", "cloudevents"])
def test_one_that_is_not_as_the_others_changes_nothing_for_these(name: str, format: str) -> None:
    plain = [order(number) for number in range(20)]
    mixed = [*plain[:7], order(7, **OTHERS[name]), *plain[8:]]
    found = compared(mixed, format=format, max_payload="1KB")
    usual = compared(plain, format=format, max_payload="1KB")
    assert [*found[:7], *found[8:]] == [*usual[:7], *usual[8:]]
    assert found[7] != usual[7]


@pytest.mark.parametrize("name", sorted(HEADERS))
@pytest.mark.parametrize("all_of_them", [True, False])
def test_headers_of_every_kind_are_kept_as_they_came(name: str, all_of_them: bool) -> None:
    plain = [order(number) for number in range(20)]
    rows = range(20) if all_of_them else [7]
    headers = {row: HEADERS[name](plain[row]) for row in rows}
    given_records = [order(row, headers=headers.get(row, plain[row].headers)) for row in range(20)]
    for event, record in zip(compared(given_records), given_records, strict=True):
        kept = msgspec.json.decode(event.headers)
        assert [pair[0] for pair in kept] == [pair[0] for pair in record.headers]


def test_who_lacks_a_header_is_not_given_one_of_who_has_it_twice() -> None:
    headers = [[("correlation_id", b"c-%d" % row)] for row in range(20)]
    headers[7], headers[8] = [], [*headers[7], *headers[8]]
    found = compared([order(row, headers=headers[row]) for row in range(20)])
    assert [event.correlation_ids for event in found[6:10]] == [("c-6",), (), ("c-7",), ("c-9",)]


def test_plain_records_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparisons above would compare nothing."""
    one_by_one = []
    usual = Reader._read

    def noted(self: Reader, record: Any, partition: int, arrival: int) -> Event:
        one_by_one.append(record.offset)
        return usual(self, record, partition, arrival)

    monkeypatch.setattr(Reader, "_read", noted)
    plain = [order(number) for number in range(2 * by_column.ROWS + 10)]
    plain[5] = order(5, headers=[("type", b"x")])
    plain[6] = order(6, value=None, key=b"\xff")
    plain[600] = order(600, **OTHERS["text"])
    found = reader(keys={"order_id": {"from": ["payload:order_id"]}}).events(3, plain, NOW)
    assert one_by_one == [600]
    assert [event.offset for event in found] == list(range(len(plain)))
    assert {event.partition for event in found} == {3}
    assert found[5].problems == ("no-correlation-id",)
    assert found[7].keys == (("order_id", "7"),)
    assert found[7].time == STAMP * 1_000 - 1_000_000 + 7_000


def test_where_most_are_not_as_usual_they_are_the_same_too() -> None:
    texts = [order(number, value=b"hello") for number in range(50)]
    assert len(compared(texts)) == 50
