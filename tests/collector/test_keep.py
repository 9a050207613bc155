"""What is not kept is counted; what is kept of an event still finds, ties and names it."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from analyzer.guards import Guard
from collector.batch import Batch
from collector.decode import Reader
from collector.event import Event
from collector.keep import in_sample
from collector.readers import Readers
from collector.store import reading
from collector.store.store import Store
from tests.collector.records import NOW, Record, reader, source

TIED = [("correlation_id", b"c-1"), ("type", b"paid")]


def kept(record: Record, **topic: Any) -> Event | None:
    return reader(topics={"orders": topic}).event(record, NOW)


def one(record: Record, **topic: Any) -> Event:
    event = kept(record, **topic)
    assert event is not None
    return event


# Ignoring


@pytest.mark.parametrize(
    ("condition", "ignored"),
    [
        ("event.payload.test == true", True),
        ("event.payload.test == false", False),
        ("event.payload.gone == true", False),
        ("event.payload.test > 5", False),
        ("event.headers['type'] == 'paid'", True),
        ("event.headers['gone'] == 'paid'", False),
        ("event.name == 'paid' && event.topic == 'orders'", True),
        ("event.key.startsWith('test-')", True),
        ("event.id == 'x'", False),
        ("event.payload.card == '4111'", False),
        ("event.payload.card == '[redacted]'", True),
    ],
)
def test_events_that_a_condition_ignores_are_not_kept(condition: str, ignored: bool) -> None:
    record = Record(b'{"test":true,"card":"4111"}', TIED, b"test-7")
    found = kept(record, ignore=condition, redact=["payload:card"])
    assert (found is None) is ignored


def test_each_of_several_globs_may_ignore() -> None:
    topics = {"or*": {"ignore": "event.name == 'a'"}, "*": {"ignore": "event.name == 'b'"}}
    one = reader(topics=topics)
    records = [Record(b'{"type":"%s"}' % name) for name in (b"a", b"b", b"c")]
    assert [one.event(record, NOW) is None for record in records] == [
        True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("condition", ["event.payload.x ==", "cause.name == 'x'", "frobnicate()"])
def test_a_condition_that_is_none_is_refused(condition: str) -> None:
    with pytest.raises(ValidationError, match="column"):
        source(topics={"*": {"ignore": condition}})


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (
            "event.offset > 5",
            "column 1: `.offset` is no field of an event; there are name, topic, key, id, time, "
            "headers, payload",
        ),
        ("event.name > 5", "a text and a number have no order"),
        ("event.name", "this is a text, and no condition"),
    ],
)
def test_a_condition_that_could_never_be_true_is_refused_as_in_rules(
    condition: str, why: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        source(topics={"*": {"ignore": condition}})
    assert why in str(refused.value)


def test_a_condition_looks_into_avro_and_cloud_events_as_guards_do() -> None:
    value = b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"test":true}}'
    headers = [("content-type", b"application/cloudevents+json")]
    event = Event("s", "t", "t", 0, 0, 0, 0, "n", payload='{"test":true}', encoding="avro")
    guard = Guard("event.payload.test == true")
    assert kept(Record(value, headers), ignore=guard.text) is None
    assert guard(event, None)
    assert guard(
        msgspec.structs.replace(event, payload=value.decode(), encoding="cloudevents"), None
    )
    assert not guard(msgspec.structs.replace(event, encoding="text"), None)


# Samples


def ids(*values: str) -> Record:
    return Record(msgspec.json.encode({"ids": values}))


def sampled(share: float, *values: str) -> bool:
    one = reader(correlation=["payload:ids[*]"], topics={"*": {"sample": share}})
    return one.event(ids(*values), NOW) is not None


def test_a_sample_keeps_flows_whole_and_grows_with_its_share() -> None:
    flows = [f"ord-{i}" for i in range(4_000)]
    tenth = {flow for flow in flows if sampled(0.1, flow)}
    half = {flow for flow in flows if sampled(0.5, flow)}
    assert 330 < len(tenth) < 470
    assert 1_850 < len(half) < 2_150
    assert tenth < half
    again = reader("payments", topics={"*": {"sample": 0.1}})
    events = [again.event(Record(None, [("correlation_id", f.encode())]), NOW) for f in flows]
    assert {e.correlation_ids[0] for e in events if e is not None} == tenth


def test_an_event_of_several_flows_is_kept_for_any_of_them_and_without_one_always() -> None:
    flows = [f"ord-{i}" for i in range(100)]
    inside = next(flow for flow in flows if in_sample([flow], 0.1))
    outside = [flow for flow in flows if not in_sample([flow], 0.1)]
    assert sampled(0.1, *outside[:3], inside)
    assert not sampled(0.1, *outside[:3])
    assert sampled(0.1)


def test_a_sample_of_all_keeps_all() -> None:
    assert all(sampled(1, f"ord-{i}") for i in range(200))


@pytest.mark.parametrize("share", [0, -1, 1.1, "x"])
def test_a_share_lies_between_none_and_all(share: object) -> None:
    with pytest.raises(ValidationError):
        source(topics={"*": {"sample": share}})


# Parts


FULL = Record(
    b'{"type":"paid","id":"e","occurred_at":"2026-03-01T10:04:57.5Z","n":1}', TIED, b"key"
)


@pytest.mark.parametrize(
    ("store", "payload", "encoding", "headers", "key"),
    [
        ("payload", (FULL.value or b"").decode(), "json", True, "key"),
        ("headers", None, "not-kept", True, "key"),
        ("position", None, "not-kept", False, None),
    ],
)
def test_what_is_not_stored_was_read_before(
    store: str, payload: str | None, encoding: str, headers: bool, key: str | None
) -> None:
    event = one(FULL, store=store)
    assert (event.payload, event.encoding, event.key) == (payload, encoding, key)
    assert (event.headers != "[]") is headers
    assert (event.name, event.id, event.correlation_ids) == ("paid", "e", ("c-1",))
    assert (event.time, event.problems) == (NOW - 2_500_000, ())


def test_a_tombstone_stays_one_whatever_is_stored() -> None:
    assert one(Record(None, TIED), store="headers").encoding == "none"


def test_what_is_not_stored_can_still_be_ignored() -> None:
    assert kept(FULL, store="position", ignore="event.payload.n == 1") is None


def test_a_guard_finds_no_payload_where_none_is_stored() -> None:
    guard = Guard("event.payload.n == 1")
    assert guard(one(FULL), None)
    assert not guard(one(FULL, store="headers"), None)


# Length


def test_of_a_huge_payload_the_beginning_is_kept_with_size_and_hash() -> None:
    value = b'{"correlation_id":"c","text":"' + b"x" * 10_000_000 + b'","id":"last"}'
    event = one(Record(value))
    assert (event.correlation_ids, event.id) == (("c",), "last")
    assert event.payload == value[:1_000_000].decode()
    assert event.encoding == "text"
    assert event.problems == (
        f"truncated: {len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()}",
    )


@pytest.mark.parametrize(
    ("value", "payload", "encoding"),
    [
        (b'"' + b"x" * 998 + b'"', '"' + "x" * 998 + '"', "json"),
        (b'"' + b"x" * 999 + b'"', '"' + "x" * 999, "text"),
        ("€".encode() * 333, "€" * 333, "text"),
        ("€".encode() * 334, "€" * 333, "text"),
        (b"\xff" * 1_000, "ff" * 1_000, "hex"),
        (b"\xff" * 1_001, "ff" * 1_000, "hex"),
    ],
)
def test_the_bound_is_in_bytes_and_cuts_no_character(
    value: bytes, payload: str, encoding: str
) -> None:
    event = one(Record(value, TIED), max_payload="1KB")
    assert (event.payload, event.encoding) == (payload, encoding)
    told = [problem for problem in event.problems if problem.startswith("truncated: ")]
    assert bool(told) is (len(value) > 1_000)
    if told:
        sha = hashlib.sha256(value).hexdigest()
        assert told == [f"truncated: {len(value)} bytes, sha256 {sha}"]


def test_the_bound_of_a_topic_counts_before_that_of_its_source() -> None:
    value = Record(b'"' + b"x" * 5_000 + b'"', TIED)
    topics = {"orders": {"max_payload": "10KB"}}
    assert reader(max_payload="1KB").event(value, NOW) != reader().event(value, NOW)
    held = reader(max_payload="1KB", topics=topics).event(value, NOW)
    assert held is not None
    assert held.encoding == "json"


def test_what_is_cut_is_redacted_before() -> None:
    value = b'{"card":"4111","text":"' + b"x" * 5_000 + b'"}'
    event = one(Record(value), max_payload="1KB", redact=["payload:card"])
    assert "4111" not in str(event)
    assert hashlib.sha256(value).hexdigest() not in str(event.problems)


# Counting


def test_what_is_not_kept_is_counted_by_topic_and_reason() -> None:
    topics = {"*": {"ignore": "event.name == 'test'", "sample": 0.5}}
    readers = Readers(source(topics=topics), lambda: NOW)
    flows = [f"ord-{i}".encode() for i in range(100)]
    events = 0
    for topic_id in ("1", "2"):
        of = readers.of("orders", topic_id)
        assert of is readers.of("orders", topic_id)
        for flow in flows:
            headers = [("correlation_id", flow)]
            events += of.event(Record(b"{}", headers), NOW) is not None
            events += of.event(Record(b'{"type":"test"}', headers), NOW) is not None
    readers.of("payments", "3").event(Record(b"{bad"), NOW)
    skipped = readers.skipped()
    assert skipped["orders", "ignored"] == 200
    assert skipped["orders", "sampled"] == 200 - events > 0
    assert skipped.total() == 400 - events
    assert readers.problems() == {
        ("payments", "bad-json"): 1, ("payments", "no-correlation-id"): 1,
    }  # fmt: skip


def test_problems_are_counted_without_their_details() -> None:
    readers = Readers(source(max_payload="1KB"), lambda: NOW)
    for size in (2_000, 3_000):
        readers.of("orders", "1").event(Record(b'"' + b"x" * size + b'"', TIED), NOW)
    assert readers.problems() == {("orders", "truncated"): 2}


def test_thousands_of_distinct_names_are_stored_as_they_are(tmp_path: Path) -> None:
    awkward = ['"', "'", "/", "\n", "\r\n", "<script>alert(1)</script>", "\x00", "’", "a" * 5_000]
    names = [f"{awkward[i % len(awkward)]}{i}" for i in range(5_000)]
    one: Reader = reader()
    events = [one.event(Record(msgspec.json.encode({"type": name})), NOW) for name in names]
    store = Store(tmp_path / "names.duckdb")
    store.commit(Batch(events=[event for event in events if event is not None])).result()
    with store.reader() as cursor:
        assert [event.name for event in reading.events(cursor, "ORDER BY seq")] == names
    store.close()
