"""`nonevent export`: what comes out goes in again as the same events with the same findings."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from collector.batch import Batch
from collector.event import Event
from collector.export import event_line
from collector.readers import Readers
from collector.settings import SourceSettings, StoreSettings
from collector.sources.event_line import EventLineReader
from collector.store import reading
from collector.store.store import Store
from nonevent.config import Configuration
from nonevent.opening import open_store
from tests.nonevent.conftest import Nonevent
from tests.nonevent.test_cli import RULES
from tests.nonevent.test_daemon import House, house  # noqa: F401  # a fixture
from tests.watching import happened, moment, watch, write_events

EVENTS: list[dict[str, Any] | bytes] = [
    happened(0, "order.created", "ord-1", keys={"order_id": "1"}, topic="orders", partition=3,
             offset=7, payload={"amount": 1.10, "n": 12345678901234567890}, id="e-1",
             headers=[["a", "1"], ["a", {"hex": "ff"}]], key="k", arrival=moment(1)),
    happened(1, "order.paid", "ord-1", topic="payments", payload='{"spaced" :  "text"}'),
    happened(2, "order.created", "ord-2", topic="orders", payload="no json"),
    happened(3, "order.created", ["ord-3", "ord-4"], payload='{\n"lines": 2}'),
    happened(4, "order.created", "ord-5", payload='"a JSON string"'),
    happened(5, "order.paid"),
    happened(6.000001, "note", "ord-é<b>", payload="null"),
    happened(7, "note", "ord-7", payload=[1, {"x": None}]),
    happened(8, "note", "ord-8", payload=""),
    happened(90, "order.completed", "ord-1"),
    b"broken \xff line",
]  # fmt: skip


def content(path: Path) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Everything that is known of the events, but where they lie in the file; and the findings."""
    store = open_store(Configuration(store=StoreSettings(path=path)), read_only=True)
    with store.reader() as cursor:
        events = [msgspec.structs.asdict(event) for event in reading.events(cursor)]
        found = cursor.execute(
            "SELECT id, expectation, finding, state, flow, evidence, text FROM findings "
            "ORDER BY ALL"
        ).fetchall()
    store.close()
    for event in events:
        del event["seq"]
    return sorted(events, key=lambda e: (e["topic"], e["offset"])), found


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    (tmp_path / "order.yaml").write_text(RULES)
    write_events(tmp_path / "events.jsonl", EVENTS)
    watch(tmp_path / "events.jsonl", [tmp_path / "order.yaml"], tmp_path / "nonevent.duckdb")
    return tmp_path


def test_what_was_exported_is_read_as_the_same_events_with_the_same_findings(
    filled: Path, nonevent: Nonevent
) -> None:
    said = nonevent("export")
    assert (said.code, said.err) == (0, "")
    assert len(said.out.splitlines()) == len(EVENTS)
    (filled / "again.jsonl").write_text(said.out)
    watch(filled / "again.jsonl", [filled / "order.yaml"], filled / "again.duckdb")
    before, after = content(filled / "nonevent.duckdb"), content(filled / "again.duckdb")
    assert after == before
    assert {row[4] for row in before[1]} >= {"ord-2", "ord-3", "ord-5"}


def test_a_part_of_what_is_stored(filled: Path, nonevent: Nonevent) -> None:
    def names(*options: str) -> list[tuple[str, Any]]:
        said = nonevent("export", *options)
        assert said.code == 0, said.err
        lines = [msgspec.json.decode(line) for line in said.out.splitlines()]
        return [(line["name"], line["correlation_id"]) for line in lines]

    assert names("--flow", "ord-1") == [
        ("order.created", "ord-1"), ("order.paid", "ord-1"), ("order.completed", "ord-1"),
    ]  # fmt: skip
    assert names("--flow", "ord-4") == [("order.created", ["ord-3", "ord-4"])]
    assert names("--topic", "payments") == [("order.paid", "ord-1")]
    assert names("--since", moment(5), "--until", moment(7)) == [
        ("order.paid", None), ("note", "ord-é<b>"),
    ]  # fmt: skip
    assert names("--flow", "nobody") == []
    assert nonevent("export", "--since", "yesterday").code == 2


@pytest.mark.parametrize(
    ("encoding", "payload", "problems"),
    [
        ("hex", "00ff", ("not-utf8",)),
        ("avro", '{"a":1}', ()),
        ("not-kept", None, ()),
        ("none", None, ("empty-payload",)),
        ("text", '{"cut', ("truncated: 9000 bytes, sha256 00",)),
        ("text", '{"was": "declared"}', ()),
        ("json", "17", ()),
        ("json", "null", ()),
        ("json", ' "blank before"', ()),
        ("json", '{"a":1e400,"b":1.0000000000000000001}', ()),
    ],
)
def test_every_encoding_comes_back_as_it_was(
    encoding: str, payload: str | None, problems: tuple[str, ...]
) -> None:
    event = Event(
        "s", "t", "t-id", 2, 9, 10**15, 10**15 + 1, "n", ("f",), encoding=encoding,
        payload=payload, problems=problems,
    )  # fmt: skip
    settings = SourceSettings.model_validate({"name": "s", "file": {"path": "x"}})
    reader = EventLineReader(settings, "x", Readers(settings, lambda: 0))
    line = event_line(event)
    assert b"\n" not in line
    assert reader.kept(reader.event(line, 1, 5)) == event


def watched(folder: Path, *options: str, piped: bool = True) -> tuple[bytes, str]:
    """What an export prints, and what a person sees at the terminal; both there, if not `piped`."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "nonevent", "export", *options],
        stdout=subprocess.PIPE if piped else theirs, stderr=theirs, stdin=subprocess.DEVNULL,
        cwd=folder, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    ) as command:  # fmt: skip
        os.close(theirs)
        printed = command.stdout.read() if command.stdout is not None else b""
        seen = b""
        try:
            while chunk := os.read(ours, 65_536):
                seen += chunk
        except OSError:  # the other side has ended
            os.close(ours)
    assert command.returncode == 0
    return printed, seen.decode()


def test_progress_is_shown_beside_the_output_and_never_in_it(
    filled: Path, nonevent: Nonevent
) -> None:
    printed, seen = watched(filled)
    assert printed.decode() == nonevent("export").out
    assert f"{len(EVENTS)}/{len(EVENTS)}" in seen
    _, seen = watched(filled, "--topic", "orders")
    assert "2/2" in seen
    _, seen = watched(filled, "--flow", "ord-1")
    assert "3/?" in seen


def test_who_reads_the_events_at_the_terminal_is_shown_nothing_else(
    filled: Path, nonevent: Nonevent
) -> None:
    _, seen = watched(filled, piped=False)
    assert seen.replace("\r\n", "\n") == nonevent("export").out


def test_more_events_than_are_read_at_once_come_in_their_order(
    tmp_path: Path, nonevent: Nonevent
) -> None:
    store = Store(tmp_path / "nonevent.duckdb")
    made = [
        Event("s", "t", "t", 0, n, 10**15, 0, "n", ("f" if n % 2 else "g",)) for n in range(12_345)
    ]
    store.commit(Batch(events=made)).result()
    store.close()
    open_store(Configuration(store=StoreSettings(path=tmp_path / "nonevent.duckdb"))).close()
    lines = nonevent("export", "--flow", "f").out.splitlines()
    assert [msgspec.json.decode(line)["offset"] for line in lines] == list(range(1, 12_345, 2))


def test_the_daemon_exports_the_same_while_it_runs(house: House) -> None:  # noqa: F811
    daemon = house.run(11)
    asked = house.ask("export")
    assert (asked.code, asked.err) == (0, "")
    assert len(asked.out.splitlines()) == 11
    assert "11/11" in watched(house.folder, "--url", house.url)[1]
    part = house.ask("export", "--flow", "ord-1", "--since", "2h", "--topic", "nowhere")
    assert (part.code, part.out) == (0, "")
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        httpx.get(f"{house.url}/api/export?flows=x", trust_env=False).raise_for_status()
    assert daemon.stop() == 0
    assert house.ask("export").out == asked.out
