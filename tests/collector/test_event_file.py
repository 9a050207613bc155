"""Files of events that are read once: equal events from every form, mistakes with a place."""

import asyncio
import csv
import io
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.batch import Batch, PartitionState
from collector.errors import SourceError
from collector.event import Event
from collector.export import event_line
from collector.settings import SourceSettings
from collector.sources import table_file
from collector.sources.event_file import EventFile, EventFileError
from collector.sources.table import SOURCES
from collector.sources.table_file import TableTap
from collector.times import US_PER_S
from tests.collector.records import NOW

START_MS = NOW // 1000 - 3_600_000

LINES: list[dict[str, Any]] = [
    {"name": "order.created", "time": "2026-03-01T10:00:00Z", "correlation_id": "f-1",
     "topic": "orders", "partition": 2, "offset": 7, "id": "e-1", "key": "k",
     "keys": {"order_id": "1"}, "headers": [["a", "é"], ["a", "2"]],
     "payload": {"amount": 1.5, "note": 'with "quotes", and\nlines'}},
    {"name": "order.paid", "time": 1772359201500, "correlation_id": ["f-1", "f-2"],
     "topic": "orders", "partition": 2, "offset": 8, "arrival": "2026-03-01T11:00:00+01:00",
     "payload": "no json"},
    {"name": "note", "time": "2026-03-01T10:00:02.000001Z", "topic": "notes", "offset": 3,
     "payload": [1, None]},
]  # fmt: skip
STRUCTURED = ("keys", "headers", "correlation_id")


def read(path: Path, *sources: SourceSettings) -> list[Event]:
    return [event for batch in EventFile(path, sources).batches() for event in batch]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return path


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "events.jsonl", LINES)


def test_an_event_came_when_it_happened_unless_its_line_says_otherwise(lines: Path) -> None:
    first, second, _ = read(lines)
    assert first.arrival == first.time
    assert second.arrival == datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp() * 1e6


def test_csv_gives_the_same_events(lines: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["name", "time", "extra", *sorted({k for o in LINES for k in o})])
    writer.fieldnames = list(dict.fromkeys(writer.fieldnames))
    writer.writeheader()
    for line in LINES:
        cells = {k: v if isinstance(v, str) else json.dumps(v) for k, v in line.items()}
        writer.writerow({**cells, "extra": "is left out"})
    path = lines.with_name("events.csv")
    path.write_text(text.getvalue(), newline="")
    assert _told(read(path)) == _told(read(lines))


def test_parquet_gives_the_same_events(lines: Path) -> None:
    """Moments as TIMESTAMP, nested values as JSON texts."""
    columns: dict[str, Any] = {
        name: [line.get(name) for line in LINES]
        for name in ("name", "topic", "partition", "offset", "id", "key")
    }
    events = read(lines)
    columns["time"] = pa.array([event.time for event in events], pa.timestamp("us", "UTC"))
    columns["arrival"] = pa.array([event.arrival for event in events], pa.timestamp("us"))
    columns["correlation_id"] = pa.array(
        [list(event.correlation_ids) for event in events], pa.list_(pa.string())
    )
    columns["keys"] = pa.array([e.keys for e in events], pa.map_(pa.string(), pa.string()))
    columns["headers"] = [e.headers for e in events]
    columns["payload"] = [e.payload for e in events]
    path = lines.with_name("events.parquet")
    pq.write_table(pa.table(columns), path)
    assert _told(read(path)) == _told(events)


def test_parquet_that_duckdb_made_of_event_lines_gives_the_same_events(lines: Path) -> None:
    path = lines.with_name("made.parquet")
    duckdb.sql(f"COPY (SELECT * FROM read_json('{lines}')) TO '{path}'")
    assert _told(read(path)) == _told(read(lines))


def _told(events: list[Event]) -> list[dict[str, Any]]:
    """All but where a payload's blanks are, and what was read in a file of another name."""
    told = []
    for event in events:
        fields = msgspec.structs.asdict(event)
        if event.encoding == "json":
            fields["payload"] = json.loads(event.payload or "null")
        told.append(fields)
    return told


def test_fields_that_are_null_in_a_struct_are_not_there(tmp_path: Path) -> None:
    payload = pa.array([{"a": 1, "b": None}], pa.struct([("a", pa.int64()), ("b", pa.string())]))
    columns = {"name": ["n"], "time": ["2026-03-01T10:00:00Z"], "payload": payload}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert [event.payload for event in read(tmp_path / "x.parquet")] == ['{"a":1}']


def test_what_an_export_wrote_is_read_as_the_same_events(lines: Path) -> None:
    events = read(lines)
    again = lines.with_name("again.jsonl")
    again.write_bytes(b"".join(event_line(event) + b"\n" for event in events))
    assert read(again) == events


def test_what_a_line_leaves_out_is_found_as_its_source_is_configured(tmp_path: Path) -> None:
    def source(name: str, header: str) -> SourceSettings:
        correlation = [f"header:{header}"]
        return SourceSettings.model_validate(
            {"name": name, "kafka": {"bootstrap": "b:1", "topics": ["*"]}, "normalise": "lower",
             "format": "avro", "registry": {"url": "http://x"}, "correlation": correlation}
        )  # fmt: skip

    headers = [["one", "AA"], ["two", "BB"]]
    line = {"name": "n", "time": "2026-03-01T10:00:00Z", "headers": headers, "payload": {"a": 1}}
    path = write_lines(
        tmp_path / "e.jsonl", [line, {**line, "source": "second"}, {**line, "source": "else"}]
    )
    found = read(path, source("first", "one"), source("second", "two"))
    assert [(e.source, e.correlation_ids) for e in found] == [
        ("first", ("aa",)), ("second", ("bb",)), ("else", ()),
    ]  # fmt: skip
    assert {event.encoding for event in found} == {"json"}
    alone = read(path, source("first", "one"))
    assert [(e.source, e.correlation_ids) for e in alone] == [
        ("first", ("aa",)), ("second", ("aa",)), ("else", ("aa",)),
    ]  # fmt: skip


GOOD = b'{"name":"a","time":"2026-03-01T10:00:00Z"}\n'
MISTAKES = {
    "cut.jsonl": (GOOD + b'{"name":"a","ti', ":2: ", "the file ends within this line"),
    "broken.jsonl": (GOOD + b"\n" + b'{"name":\n' + GOOD, ":3: ", "JSON object with `name`"),
    "number.jsonl": (b'{"name":"a","time":"2026-03-01T10:00:00Z","offset":-1}\n', ":1: ", "offset"),
    "zone.jsonl": (b'{"name":"a","time":"2026-03-01T10:00:00"}\n', ":1: ", "with a zone"),
    "arrival.jsonl": (GOOD[:-2] + b',"arrival":"yesterday"}\n', ":1: ", "`arrival`"),
    "nameless.jsonl": (b'{"time":1}\n', ":1: ", "`name`"),
    "empty.jsonl": (b"", " holds no event", "one JSON object a line"),
    "blank.jsonl": (b"\n \n", " holds no event", "one JSON object a line"),
    "binary.jsonl": (bytes(range(256)), ":1: ", "An event line is"),
    "lines.gz": (b"\x1f\x8b\x08\x00", ":1: ", "`gzip -dc lines.gz | nonevent backtest --events -`"),
    "lines.zip": (b"PK\x03\x04", ":1: ", "`unzip -p lines.zip |"),
    "array.json": (b"[" + GOOD + b"]", ":1: ", "jq -c"),
    "empty.csv": (b"", ":1: ", "no column `name`"),
    "column.csv": (b"name,when\na,1\n", ":1: ", "no column `time` (there are: name, when)"),
    "typo.csv": (b"name,time,corelation_id\na,1,x\n", ":1: ", "did you mean `correlation_id`?"),
    "twice.csv": (b"name,time,time\na,1,1\n", ":1: ", "two columns"),
    "zone.csv": (b"name,time\na,2026-03-01 10:00:00\n", ":2: ", "with a zone"),
    "cells.csv": (b"name,time\na,1772359200000\na\n", ":3: ", "1 cells under 2 titles"),
    "keys.csv": (b"name,time,keys\na,1772359200000,x=1\n", ":2: ", "`keys` is no JSON"),
    "offset.csv": (b"name,time,offset\na,1772359200000,x\n", ":2: ", "a number is meant"),
    "quote.csv": (b'name,time\n"a"b,1\n', ":2: ", "not CSV"),
    "binary.csv": (b"name,time\n\xff\xfe,1\n", ":2: ", "not UTF-8"),
    "text.parquet": (b"name,time\na,1\n", ":1: ", "no Parquet file"),
    "cut.parquet": (b"PAR1" + bytes(100), ":row 1: ", "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_its_cure(tmp_path: Path, name: str) -> None:
    content, place, cure = MISTAKES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(EventFileError) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}{place}")
    assert cure in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_wrong_type_in_parquet_is_told_with_its_row(tmp_path: Path) -> None:
    columns = {"name": ["a", "b"], "time": ["2026-03-01T10:00:00Z", "2026-03-01T10:00:00"]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(EventFileError, match=r"x\.parquet:row 2: .* with a zone"):
        read(tmp_path / "x.parquet")
    pq.write_table(pa.table({"name": ["a"], "tme": [1]}), tmp_path / "y.parquet")
    with pytest.raises(EventFileError, match="did you mean `time`"):
        read(tmp_path / "y.parquet")


def test_a_file_that_is_not_there_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="No such file"):
        read(tmp_path / "none.jsonl")


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_spoilt_files_are_told_whatever_is_in_them(tmp_path: Path, form: str) -> None:
    path, chance = tmp_path / f"events.{form}", random.Random(5)
    columns = {"name": ["n"] * 9, "time": ["2026-03-01T10:00:00Z"] * 9, "payload": ['{"a":1}'] * 9}
    if form == "jsonl":
        whole = (GOOD[:-2] + b',"payload":{"a":1},"headers":[["a","b"]]}\n') * 9
    elif form == "csv":
        whole = b"name,time,payload\n" + b'n,1772359200000,"{""a"":1}"\n' * 9
    else:
        pq.write_table(pa.table(columns), path)
        whole = path.read_bytes()
    read_whole, told = 0, []
    for _ in range(400):
        spoilt = bytearray(whole)
        for _ in range(chance.choice((1, 2, 9))):
            at = chance.randrange(len(spoilt))
            spoilt[at : at + chance.choice((0, 1, 9))] = chance.randbytes(chance.choice((1, 3)))
        path.write_bytes(spoilt)
        try:
            read_whole += len(read(path)) > 0
        except EventFileError as error:
            told.append(str(error))
    assert read_whole > 0
    assert len(told) > 100
    assert all(one.startswith(str(path)) for one in told)


# As a source


def tap_on(path: Path, resume: list[PartitionState] | None = None) -> TableTap:
    settings = SourceSettings.model_validate({"name": "s", "file": {"path": path}})
    tap = SOURCES["file"](settings, resume or [], lambda: NOW)
    assert isinstance(tap, TableTap)
    asyncio.run(tap.start())
    return tap


def polled(tap: TableTap) -> Batch:
    return asyncio.run(tap.poll())


@pytest.fixture(params=["csv", "parquet"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Five events, a second apart; the third has a time that is none."""
    path = tmp_path / f"events.{request.param}"
    times = [str(START_MS + 1000 * n) for n in range(5)]
    times[2] = "soon"
    if request.param == "csv":
        path.write_text("name,time\n" + "".join(f"n{n},{t}\n" for n, t in enumerate(times)))
    else:
        pq.write_table(pa.table({"name": [f"n{n}" for n in range(5)], "time": times}), path)
    return path


def test_a_source_of_rows_is_read_as_one_of_lines(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "MAX_ROWS", 2)
    tap, batches = tap_on(table), []
    while (batch := polled(tap)).events:
        batches.append(batch)
    events = [event for batch in batches for event in batch.events]
    assert [event.name for event in events] == ["n0", "n1", "", "n3", "n4"]
    assert events[2].problems[0].startswith("bad-line: `time` is 'soon'")
    assert '"n2"' in (events[2].payload or "")
    # Behind, it is complete to the least of the last times; at the end, to the last event.
    states = [batch.partitions[0] for batch in batches]
    seconds = [(state.complete_to - START_MS * 1000) / US_PER_S for state in states]
    assert seconds == [0, 0, 4]
    assert [state.next_offset for state in states] == [2, 4, 5]
    ends = [state.high_watermark for state in states]
    assert ends == [None, None, 5], "how many are left is not known"
    # Another one goes on where this one was.
    again = tap_on(table, [states[1]])
    assert [event.name for event in polled(again).events] == ["n4"]
    asyncio.run(again.stop())


def test_a_source_that_breaks_off_says_where(table: Path) -> None:
    table.write_bytes(b"PAR1 and no more" if table.suffix == ".parquet" else b"name,tim\n")
    with pytest.raises(SourceError, match=r"source s: .*events\.(csv:1|parquet:row 1): "):
        polled(tap_on(table))
    table.unlink()
    with pytest.raises(SourceError, match="No such file"):
        tap_on(table)
