"""The file source: event lines as they are written, read, broken, resumed and read again."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from collector.batch import Batch, PartitionState
from collector.errors import SourceError
from collector.event import Event
from collector.keep import in_sample
from collector.settings import SourceSettings
from collector.sources import file
from collector.sources.file import FileTap
from collector.store import reading
from collector.store.store import Store
from collector.times import NEVER, US_PER_S, format_time
from tests.collector.records import NOW

START = NOW - 3_600 * US_PER_S


def at(seconds: float) -> str:
    return format_time(START + round(seconds * US_PER_S))


def line(**fields: Any) -> bytes:
    return msgspec.json.encode({"name": "order.created", "time": at(0), **fields}) + b"\n"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.touch()
    return path


@pytest.fixture
def tap(export: Path) -> Callable[..., FileTap]:
    """A started tap on the file; `resume` as the store would give it, settings as configured."""

    def start(resume: list[PartitionState] | None = None, **configured: Any) -> FileTap:
        described = {"name": "export", "file": {"path": export}, **configured}
        made = FileTap(SourceSettings.model_validate(described), resume or [], lambda: NOW)
        asyncio.run(made.start())
        return made

    return start


Tapped = Callable[..., FileTap]


def poll(tap: FileTap) -> Batch:
    return asyncio.run(tap.poll())


def only(batch: Batch) -> Event:
    (event,) = batch.events
    return event


def sight(batch: Batch) -> int:
    (partition,) = batch.partitions
    return partition.complete_to


Tap = Callable[..., FileTap]

# Lines


def test_a_name_and_a_time_are_enough(export: Path, tap: Tap) -> None:
    export.write_bytes(b'{"name":"order.created","time":"%s"}\n' % at(0).encode())
    event = only(poll(tap()))
    path = str(export)
    assert event == Event(
        "export", path, path, 0, 1, START, NOW, "order.created", problems=("no-correlation-id",)
    )


def test_a_time_may_be_epoch_milliseconds(export: Path, tap: Tap) -> None:
    export.write_bytes(line(time=START // 1000) + line(time=str(START // 1000)))
    assert [event.time for event in poll(tap()).events] == [START, START]


def test_a_line_says_everything_that_an_event_has(export: Path, tap: Tap) -> None:
    export.write_bytes(
        line(
            source="eu-prod", topic="orders", topic_id="t-1", partition=2, offset=4711,
            arrival=at(1), correlation_id="c-1", id="e-1", keys={"order_id": 8}, key="k",
            headers=[["x", "1"], ["x", {"hex": "ff"}], ["y", None]], payload={"a": 1},
        )
    )  # fmt: skip
    event = only(poll(tap()))
    assert event == Event(
        "export", "orders", "t-1", 2, 4711, START, START + US_PER_S, "order.created", ("c-1",),
        "e-1", (("order_id", "8"),), "k", '[["x","1"],["x",{"hex":"ff"}],["y",""]]', '{"a":1}',
        "json",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "ids"),
    [("c", ("c",)), (8812, ("8812",)), (["a", 2, "a"], ("a", "2")), ([], ()), ("", ()),
     (["", "b"], ("b",))],
)  # fmt: skip
def test_a_correlation_id_may_be_a_list(
    export: Path, tap: Tap, given: object, ids: tuple[str, ...]
) -> None:
    export.write_bytes(line(correlation_id=given))
    event = only(poll(tap()))
    assert event.correlation_ids == ids
    assert event.problems == (() if ids else ("no-correlation-id",))


def test_without_a_correlation_id_the_configuration_finds_one(export: Path, tap: Tap) -> None:
    export.write_bytes(
        line(headers=[["correlation_id", "h"]])
        + line(payload={"correlation_id": "p"})
        + line(payload={"order": 8}, correlation_id=None)
    )
    found = poll(tap(keys={"order": {"from": ["payload:order"]}})).events
    assert [event.correlation_ids for event in found] == [("h",), ("p",), ()]
    assert found[2].keys == (("order", "8"),)


def test_a_payload_that_was_no_json_is_its_own_text(export: Path, tap: Tap) -> None:
    export.write_bytes(line(payload="plain words") + line(payload='{"a":1}') + line(payload=[1]))
    assert [(e.payload, e.encoding, e.problems[:1]) for e in poll(tap()).events] == [
        ("plain words", "text", ("bad-json",)),
        ('{"a":1}', "json", ("no-correlation-id",)),
        ("[1]", "json", ("no-correlation-id",)),
    ]


def test_what_is_configured_to_be_masked_is_masked(export: Path, tap: Tap) -> None:
    export.write_bytes(line(topic="pay", payload={"card": "4111"}, headers=[["auth", "secret"]]))
    event = only(poll(tap(topics={"pay": {"redact": ["payload:card", "header:Auth"]}})))
    assert "4111" not in str(event)
    assert "secret" not in str(event)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (b"not json", "malformed"),
        (b'{"name":"x"}', "time"),
        (b'{"time":5}', "name"),
        (b'{"name":"x","time":"soon"}', "write RFC 3339 with a zone, or epoch ms"),
        (b'{"name":"x","time":"2026-03-01T10:00:00"}', "write RFC 3339 with a zone"),
        (b'{"name":"x","time":"9999-12-31T23:59:59Z"}', "write RFC 3339"),
        (b'{"name":5,"time":5}', "name"),
        (b'{"name":"x","time":5,"partition":-1}', "partition"),
        (b'{"name":"x","time":5,"partition":4294967296}', "partition"),
        (b'{"name":"x","time":5,"offset":9223372036854775808}', "offset"),
        (b'{"name":"x","time":5,"correlation_id":{}}', "correlation_id"),
        (b'{"name":"x","time":5,"headers":{}}', "headers"),
        (b'{"name":"x","time":5,"payload":' + b"[" * 10_000, "recursion"),
        (b'{"name":"x","time":5,"payload":"\\ud800"}', "truncated"),
        (b"\xff\xfe{}", "malformed"),
        (b'{"name":"\xff","time":5}', "utf-8"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
    ],
)
def test_a_broken_line_is_stored_with_the_reason_and_the_next_one_read(
    export: Path, tap: Tap, broken: bytes, why: str
) -> None:
    export.write_bytes(line(offset=100) + broken + b"\r\n" + line(offset=101))
    _, event, after = poll(tap()).events
    assert event.problems[0].startswith("bad-line: ")
    assert why in event.problems[0]
    assert event.payload in (broken.decode(errors="replace"), broken.hex())
    assert (event.name, event.correlation_ids, event.offset) == ("", (), 2)
    assert after.offset == 101


def test_a_broken_line_in_which_nothing_can_be_masked_is_not_kept(export: Path, tap: Tap) -> None:
    export.write_bytes(b'{"name":"x","payload":{"card":"4111"\n')
    event = only(poll(tap(topics={"pay": {"redact": ["payload:card"]}})))
    assert (event.payload, event.encoding) == (None, "none")
    assert event.problems[1:] == ("unredactable",)
    assert "4111" not in str(event)


def test_a_line_without_a_name_says_so(export: Path, tap: Tap) -> None:
    export.write_bytes(line(name="", correlation_id="c"))
    assert only(poll(tap())).problems == ("no-name",)


def test_empty_lines_are_skipped_and_still_counted(export: Path, tap: Tap) -> None:
    export.write_bytes(b"\n  \n" + line() + b"\r\n" + line())
    assert [event.offset for event in poll(tap()).events] == [3, 5]


# A file that grows


def test_a_line_that_is_being_written_waits_for_its_end(export: Path, tap: Tap) -> None:
    whole = line(id="second")
    reading_tap = tap()
    with export.open("ab", buffering=0) as file:
        file.write(line(id="first") + whole[:20])
        assert [e.id for e in poll(reading_tap).events] == ["first"]
        file.write(whole[20:-1])
        assert poll(reading_tap).events == []
        file.write(b"\n")
        assert [(e.id, e.offset) for e in poll(reading_tap).events] == [("second", 2)]


def test_after_a_restart_it_goes_on_at_the_next_byte(export: Path, tap: Tap) -> None:
    export.write_bytes(line(id="a") + line(id="b"))
    (state,) = poll(tap()).partitions
    with export.open("ab") as file:
        file.write(line(id="c"))
    again = poll(tap([state]))
    assert [(e.id, e.offset) for e in again.events] == [("c", 3)]
    assert again.partitions[0].next_offset == export.stat().st_size


def test_the_states_of_earlier_batches_do_not_move_on(export: Path, tap: Tap) -> None:
    reading_tap = tap()
    export.write_bytes(line())
    first = poll(reading_tap)
    with export.open("ab") as file:
        file.write(line(time=at(9)))
    second = poll(reading_tap)
    assert first.partitions[0].next_offset < second.partitions[0].next_offset
    assert (sight(first), sight(second)) == (START, START + 9 * US_PER_S)


def test_a_long_file_comes_in_bounded_batches(export: Path, tap: Tap) -> None:
    export.write_bytes(line() * 45_000)
    reading_tap = tap()
    sizes = [len(poll(reading_tap).events) for _ in range(4)]
    assert (sum(sizes), max(sizes)) == (45_000, 20_000)


def test_a_file_that_is_not_there_is_named(export: Path, tap: Tap) -> None:
    export.unlink()
    with pytest.raises(SourceError, match=rf"source export: {export} cannot be read: No such file"):
        tap()


# Completeness


def test_the_end_of_the_file_is_no_deadline(export: Path, tap: Tap) -> None:
    export.write_bytes(line(time=at(0)) + line(time=at(30)))
    reading_tap = tap()
    assert sight(poll(reading_tap)) == START + 30 * US_PER_S
    assert sight(poll(reading_tap)) == START + 30 * US_PER_S


def test_an_empty_file_is_complete_to_nothing(tap: Tap) -> None:
    assert sight(poll(tap())) == NEVER


def test_a_broken_line_moves_nothing(export: Path, tap: Tap) -> None:
    export.write_bytes(line(time=at(30)) + b"broken\n")
    assert sight(poll(tap())) == START + 30 * US_PER_S
    export.write_bytes(b"broken\n")
    only_broken = poll(tap())
    assert (sight(only_broken), only_broken.partitions[0].seen_from) == (NEVER, None)


def test_lines_out_of_order_do_not_move_it_back(export: Path, tap: Tap) -> None:
    export.write_bytes(line(time=at(30)) + line(time=at(10)))
    reading_tap = tap()
    assert sight(poll(reading_tap)) == START + 30 * US_PER_S
    with export.open("ab") as file:
        file.write(line(time=at(5)))
    assert sight(poll(reading_tap)) == START + 30 * US_PER_S


def test_a_time_in_the_future_is_not_complete_yet(export: Path, tap: Tap) -> None:
    export.write_bytes(line(time="2100-01-01T00:00:00Z"))
    batch = poll(tap())
    assert sight(batch) == NOW
    assert only(batch).time > NOW


# Into the store


def stored(path: Path, *batches: Batch) -> list[Event]:
    """Commits as the pipeline does, each batch without what the store has already."""
    store = Store(path)
    for batch in batches:
        if batch.events:
            with store.reader() as cursor:
                batch.events = reading.unseen(cursor, batch.events)
        store.commit(batch).result()
    with store.reader() as cursor:
        found = list(reading.events(cursor, "ORDER BY seq"))
    store.close()
    return found


def test_an_export_that_is_read_twice_is_stored_once(
    export: Path, tap: Tap, tmp_path: Path
) -> None:
    positions = [{"topic": "t", "topic_id": "t-id", "partition": 1, "offset": n} for n in range(5)]
    export.write_bytes(b"".join(line(id=f"e{n}", **p) for n, p in enumerate(positions)))
    store = tmp_path / "store.duckdb"
    first, second = poll(tap()), poll(tap())
    assert first.may_repeat
    assert len(stored(store, first, second)) == 5
    # Appended once more to the same file: new lines, the same positions.
    with export.open("ab") as file:
        file.write(export.read_bytes() + line(id="new", **{**positions[0], "offset": 5}))
    assert [e.id for e in stored(store, poll(tap()))] == [f"e{n}" for n in range(5)] + ["new"]


def test_lines_without_positions_are_told_apart_by_their_number(
    export: Path, tap: Tap, tmp_path: Path
) -> None:
    export.write_bytes(line() + line())
    store = tmp_path / "store.duckdb"
    assert len(stored(store, poll(tap()), poll(tap()))) == 2


# What is not kept


def test_a_line_that_is_ignored_was_seen_all_the_same(tap: Tapped, export: Path) -> None:
    ignored = "event.name == 'probe' || event.payload.test == true"
    started = tap(topics={"*": {"ignore": ignored}})
    export.write_bytes(
        line(name="probe", time=at(1)) + line(payload={"test": True}, time=at(2))
        + line(payload={"test": False}, time=at(3)) + line(name="probe", time=at(4))
    )  # fmt: skip
    batch = poll(started)
    assert [event.offset for event in batch.events] == [3]
    assert batch.partitions[0].complete_to == START + 4 * US_PER_S
    assert batch.partitions[0].next_offset == export.stat().st_size
    assert started.readers.skipped() == {(str(export), "ignored"): 3}


def test_nothing_is_told_of_when_the_records_of_lines_were_published(
    tap: Tapped, export: Path
) -> None:
    started = tap()
    export.write_bytes(line(time=at(1), arrival=at(90), payload={"occurred_at": at(0)}))
    poll(started)
    assert started.condition().published_after is None
    assert started.readers.published_after(START) == {}


def test_ignored_lines_without_end_are_read_in_portions(
    tap: Tapped, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "MAX_LINES", 10)
    export.write_bytes(line(name="probe") * 25 + line())
    started = tap(topics={"*": {"ignore": "event.name == 'probe'"}})
    assert [len(poll(started).events) for _ in range(3)] == [0, 0, 1]


def test_ids_in_lines_are_normalised_and_sampled_like_others(tap: Tapped, export: Path) -> None:
    export.write_bytes(line(correlation_id=["A", "a", "B"]))
    assert only(poll(tap(normalise="lower"))).correlation_ids == ("a", "b")
    names = [f"ord-{i}" for i in range(200)]
    export.write_bytes(b"".join(line(correlation_id=name) for name in names))
    sampled = poll(tap(topics={"*": {"sample": 0.5}})).events
    assert [e.correlation_ids[0] for e in sampled] == [n for n in names if in_sample([n], 0.5)]
    assert 0 < len(sampled) < 200


def test_event_lines_need_no_registry(tap: Tapped) -> None:
    with pytest.raises(ValidationError, match="event lines hold no Avro"):
        tap(registry={"url": "http://127.0.0.1:1"})
