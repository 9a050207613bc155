"""From a record to an event: every bad record is kept, with a reason, and nothing crashes."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.batch import Batch
from collector.decode import Reader
from collector.event import Event
from collector.extraction import DAY, YEAR_2000
from collector.store import reading
from collector.store.store import Store
from collector.times import US_PER_MS
from tests.collector.records import NOW, STAMP, Record, read, reader
from tests.examples import examples

TIED = [("correlation_id", b"c-1")]
DEEP = b"[" * 10_000 + b"]" * 10_000


def test_a_record_as_it_should_be() -> None:
    value = (
        b'{"type":"order.created","id":"e-1","occurred_at":"2026-03-01T10:04:57.5Z","order_id":8}'
    )
    event = read(Record(value, TIED, b"ord-8"), keys={"order_id": {"from": ["payload:order_id"]}})
    assert event == Event(
        "bus", "orders", "orders-id", 0, 7, NOW - 2_500_000, NOW, "order.created", ("c-1",),
        "e-1", (("order_id", "8"),), "ord-8", '[["correlation_id","c-1"]]', value.decode(), "json",
    )  # fmt: skip


# Payloads


@pytest.mark.parametrize(
    ("value", "encoding", "problem"),
    [
        (b'{"a":', "text", "bad-json"),
        (b'{"a":1} trailing', "text", "bad-json"),
        (b"plain words", "text", "bad-json"),
        (b"{'a': 1}", "text", "bad-json"),
        (b'{"a":NaN}', "text", "bad-json"),
        (b'{"a":Infinity}', "text", "bad-json"),
        (b'{"a":"\\ud800"}', "text", "bad-json"),
        (b'{"a":"\x00"}', "text", "bad-json"),
        (b'\xef\xbb\xbf{"a":1}', "text", "bad-json"),
        (b'{"a":' + DEEP + b"}", "text", "bad-json"),
        (DEEP, "text", "bad-json"),
        (b"[1,2", "text", "bad-json"),
        (b"5 5", "text", "bad-json"),
        (b"[1e999]", "json", "number-out-of-range"),
        (b"", "text", "empty-payload"),
        (b"\xff\xfe", "hex", "not-utf8"),
        (b'{"a":"\xff"}', "hex", "not-utf8"),
        (b'{"id":1e999}', "json", "number-out-of-range"),
    ],
)
def test_a_payload_that_cannot_be_read_is_kept_with_the_reason(
    value: bytes, encoding: str, problem: str
) -> None:
    event = read(Record(value, TIED))
    assert (event.encoding, event.problems) == (encoding, (problem,))
    assert event.payload == (value.hex() if encoding == "hex" else value.decode())
    assert event.correlation_ids == ("c-1",)
    assert event.time == STAMP * US_PER_MS


@pytest.mark.parametrize(
    "value",
    [b"[1,2]", b'"text"', b"5", b"null", b"true", b"  {}  ", b'{"a":1e999}', b'{"a":"\\u0000"}',
     b'{"a":123456789012345678901234567890}', b'{"a":1,"a":2}'],
)  # fmt: skip
def test_sound_json_of_any_shape_is_no_problem(value: bytes) -> None:
    event = read(Record(value, TIED))
    assert (event.payload, event.encoding, event.problems) == (value.decode(), "json", ())


def test_a_tombstone_is_no_empty_payload() -> None:
    event = read(Record(None, TIED, None))
    assert (event.payload, event.encoding, event.key, event.problems) == (None, "none", None, ())


# Headers and keys


def test_headers_are_kept_in_order_with_repeats_and_of_repeats_the_first_counts() -> None:
    headers = [("correlation_id", b"first"), ("x", b"1"), ("correlation_id", b"second"), ("x", b"")]
    event = read(Record(b"{}", headers))
    assert msgspec.json.decode(event.headers) == [[k, v.decode()] for k, v in headers]
    assert event.correlation_ids == ("first",)


def test_header_values_that_are_not_utf8_are_kept_as_hex() -> None:
    event = read(
        Record(b"{}", [("type", b"paid"), ("correlation_id", b"\xff\x00"), ("é", b"\xc3")])
    )
    assert msgspec.json.decode(event.headers) == [
        ["type", "paid"], ["correlation_id", {"hex": "ff00"}], ["é", {"hex": "c3"}],
    ]  # fmt: skip
    assert event.correlation_ids == ("ff00",)


def test_a_header_without_a_value_is_empty_and_ties_nothing() -> None:
    event = read(Record(b"{}", [("correlation_id", None)]))  # type: ignore[list-item]  # Kafka allows it
    assert event.headers == '[["correlation_id",""]]'
    assert event.problems == ("no-correlation-id",)


def test_a_key_that_is_not_utf8_is_hex() -> None:
    event = read(Record(b"{}", [], b"\xfe\xed"), correlation=["key"])
    assert (event.key, event.correlation_ids) == ("feed", ("feed",))


# Names and correlation


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (Record(b'{"type":"of payload"}', [("type", b"of header")]), "of header"),
        (Record(b'{"type":"of payload"}'), "of payload"),
        (Record(b'{"type":""}'), "orders"),
        (Record(b'{"type":["x"]}'), "orders"),
        (Record(b"not json"), "orders"),
        (Record(None), "orders"),
    ],
)
def test_a_name_is_taken_from_the_first_place_that_has_one(record: Record, name: str) -> None:
    assert read(record).name == name


def test_without_a_name_it_says_so() -> None:
    event = read(Record(b"{}", TIED), name_from=["header:type"])
    assert (event.name, event.problems) == ("", ("no-name",))


@pytest.mark.parametrize(
    ("record", "ids"),
    [
        (Record(b'{"correlation_id":"p"}', TIED, b"k"), ("c-1",)),
        (Record(b'{"correlation_id":"p"}', [], b"k"), ("p",)),
        (Record(b'{"correlation_id":42}', [], b"k"), ("42",)),
        (Record(b'{"correlation_id":true}', [], b"k"), ("k",)),
        (Record(b'{"correlation_id":{"x":1}}', [], b"k"), ("k",)),
        (Record(b'{"orders":[{"id":"a"},{"id":"b"},{"id":"a"},{},{"id":null}]}'), ("a", "b")),
        (Record(b'{"orders":[]}', [], b"k"), ("k",)),
        (Record(b'{"orders":{"id":"a"}}'), ()),
        (Record(b"[]", [], b""), ()),
        (Record(None, [], b"k"), ("k",)),
    ],
)
def test_correlation_comes_from_header_payload_or_key_and_may_be_many(
    record: Record, ids: tuple[str, ...]
) -> None:
    places = [
        "header:correlation_id", "payload:correlation_id", "payload:orders[*].id", "key",
    ]  # fmt: skip
    event = read(record, correlation=places)
    assert event.correlation_ids == ids
    assert ("no-correlation-id" in event.problems) is (not ids)


def test_two_long_numbers_are_two_correlation_ids() -> None:
    ids = [12345678901234567890123456789, 12345678901234567890123456780]
    found = [read(Record(b'{"correlation_id":%d}' % one)).correlation_ids for one in ids]
    assert found == [(str(one),) for one in ids]


# Times


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ('"1970-01-01T00:00:00Z"', "time-implausible"),
        ("0", "time-implausible"),
        ('"1999-12-31T23:59:59Z"', "time-implausible"),
        ('"2100-01-01T00:00:00Z"', "time-implausible"),
        (str(STAMP + 86_400_001), "time-implausible"),
        ('"2026-03-01T10:00:00"', "time-unreadable"),
        ('"soon"', "time-unreadable"),
        ('"9999-12-31T23:59:59Z"', "time-unreadable"),
        ("true", "time-unreadable"),
        ("{}", "time-unreadable"),
        ("1e300", "time-unreadable"),
        ("1" * 400, "time-unreadable"),
        (str(10**25), "time-unreadable"),
        (str(STAMP // 1000), "time-implausible"),
    ],
)
def test_a_time_that_cannot_be_is_flagged_and_the_records_is_used(told: str, problem: str) -> None:
    event = read(Record(b'{"occurred_at":%s}' % told.encode(), TIED))
    assert (event.time, event.problems) == (STAMP * US_PER_MS, (problem,))


@pytest.mark.parametrize("told", [YEAR_2000, STAMP * US_PER_MS, STAMP * US_PER_MS + DAY])
def test_a_time_from_2000_to_a_day_ahead_is_believed(told: int) -> None:
    event = read(Record(b'{"occurred_at":%d}' % (told // US_PER_MS), TIED))
    assert (event.time, event.problems) == (told, ())


@pytest.mark.parametrize("told", [b"{}", b'{"occurred_at":null}', b"junk"])
def test_without_a_time_of_its_own_it_has_the_records(told: bytes) -> None:
    assert read(Record(told)).time == STAMP * US_PER_MS


@pytest.mark.parametrize("stamp", [-1, -(2**63), 2**63 - 1, 10**14])
def test_a_record_without_a_sound_time_has_that_of_its_arrival(stamp: int) -> None:
    event = read(Record(b"{}", TIED, timestamp=stamp))
    assert (event.time, event.problems) == (NOW, ("no-record-time",))


def test_times_in_payloads_can_be_left_alone() -> None:
    event = read(Record(b'{"occurred_at":0}', TIED), time_from=["record"])
    assert (event.time, event.problems) == (STAMP * US_PER_MS, ())


# Anything at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
fields = ["type", "id", "occurred_at", "correlation_id", "orders", "order_id", "card"]
documents = st.dictionaries(st.sampled_from(fields), json_values, max_size=5)


def _mangled(document: object, cut: int | None) -> bytes:
    return msgspec.json.encode(document)[:cut]


values = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.builds(_mangled, documents | json_values, st.none() | st.integers(0, 60)),
    st.integers(1, 3_000).map(lambda depth: b'{"id":' + b"[" * depth + b"]" * depth + b"}"),
    st.sampled_from([b'{"id":1e999,"type":"x"}', b'{"type":"\\ud83d"}']),
    st.just(b'{"id":' + b"9" * 500 + b"}"),
)  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
header_names = st.sampled_from(["type", "correlation_id", "event_id", "authorization"]) | texts
records = st.builds(
    Record,
    value=values,
    headers=st.lists(st.tuples(header_names, st.none() | st.binary(max_size=12)), max_size=5),
    key=st.none() | st.binary(max_size=12),
    timestamp=st.just(STAMP) | st.integers(-(2**63), 2**63 - 1),
    partition=st.integers(0, 2**31 - 1),
    offset=st.just(0) | st.integers(0, 2**63 - 1),
)
readers = [
    reader(keys={"order": {"from": ["payload:order_id", "header:order"]}}),
    reader(
        name_from=["payload:type", "key"],
        correlation=["payload:orders[*].id", "payload:orders[*]", "header:correlation_id", "key"],
        topics={"*": {"redact": ["payload:card", "payload:orders[*].id", "header:authorization"]}},
    ),
]


def stored(store: Store, events: Sequence[Event]) -> list[Event]:
    first = store.commit(Batch(events=list(events))).result() or events[0].seq
    with store.reader() as cursor:
        return list(reading.events(cursor, "WHERE seq >= ? ORDER BY seq", [first]))


def test_any_record_becomes_an_event_that_is_stored_and_read_back_equal(tmp_path: Path) -> None:
    store = Store(tmp_path / "fuzz.duckdb")

    @settings(max_examples=examples(100))
    @given(st.lists(records, min_size=1, max_size=15), st.sampled_from(readers))
    def holds(given_records: list[Record], reader: Reader) -> None:
        events = [reader.event(record, NOW) for record in given_records]
        assert stored(store, events) == events
        for event in events:
            assert event.encoding in ("json", "text", "hex", "none")
            assert bool(event.name) is ("no-name" not in event.problems)
            assert bool(event.correlation_ids) is ("no-correlation-id" not in event.problems)

    holds()
    store.close()


def test_a_payload_of_megabytes_is_kept_whole(tmp_path: Path) -> None:
    opened = Store(tmp_path / "large.duckdb")
    event = read(Record(b'{"text":"' + b"x" * 5_000_000 + b'"}', TIED), max_payload="10MB")
    assert len(event.payload or "") > 5_000_000
    assert stored(opened, [event]) == [event]
    opened.close()
