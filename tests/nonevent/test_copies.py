"""Snapshot, backup and restore: whole copies of one moment, made while the daemon runs or not."""

import io
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from collector.batch import Batch, PartitionState
from collector.errors import StoreError
from collector.event import Event
from collector.settings import StoreSettings
from collector.store.copying import copy
from collector.store.store import Store
from nonevent.config import Configuration
from nonevent.opening import open_store
from nonevent.progress import progress
from tests.nonevent.conftest import Nonevent
from tests.nonevent.test_cli import RULES
from tests.nonevent.test_daemon import EVENTS, House, event, house  # noqa: F401  # a fixture
from tests.nonevent.test_export import EVENTS as EXPORTED
from tests.watching import happened, watch, write_events


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "order.yaml").write_text(RULES)
    write_events(tmp_path / "events.jsonl", EXPORTED)
    watch(tmp_path / "events.jsonl", [tmp_path / "rules"], tmp_path / "nonevent.duckdb")
    return tmp_path


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table and view, the columns' types in front."""
    with duckdb.connect(str(path), read_only=True) as opened:
        names = [row[0] for row in opened.execute("SHOW TABLES").fetchall()]
        return {
            name: [
                *opened.execute(f"DESCRIBE {name}").fetchall(),
                *opened.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall(),
            ]
            for name in names
        }


def test_a_backup_holds_every_row_and_is_gone_on_with(filled: Path, nonevent: Nonevent) -> None:
    assert nonevent("backup", "nowhere/backup.duckdb").code == 2
    assert nonevent("backup", "backup.duckdb").code == 0
    before = tables(filled / "nonevent.duckdb")
    assert tables(filled / "backup.duckdb") == before
    assert {len(before[name]) > 16 for name in ("events", "finding_log")} == {True}
    answers = [nonevent(*asked).out for asked in (["export"], ["findings", "--json"])]

    write_events(filled / "events.jsonl", EXPORTED[:1])
    (filled / "nonevent.duckdb").unlink()
    assert nonevent("restore", "backup.duckdb").code == 0
    assert [nonevent(*asked).out for asked in (["export"], ["findings", "--json"])] == answers
    # It reads on where the backup's offsets are.
    watch(filled / "events.jsonl", [filled / "rules"], filled / "nonevent.duckdb")
    assert len(nonevent("export").out.splitlines()) == len(EXPORTED)


def test_restoring_overwrites_only_by_force_and_never_with_what_is_no_backup(
    filled: Path, nonevent: Nonevent
) -> None:
    nonevent("backup", "backup.duckdb")
    nonevent("snapshot", "snapshot.duckdb")
    (filled / "letter").write_text("a letter to a friend\n" * 500)
    before = tables(filled / "nonevent.duckdb")
    refused = nonevent("restore", "backup.duckdb")
    assert (refused.code, "--force" in refused.err) == (2, True)
    for file, why in (("snapshot.duckdb", "is a snapshot"), ("letter", "no backup"), ("x", "no")):
        refused = nonevent("restore", file, "--force")
        assert refused.code in (2, 3)
        assert why in refused.err
    assert tables(filled / "nonevent.duckdb") == before
    (filled / "nonevent.duckdb").write_bytes(b"spoilt" * 1000)
    (filled / "nonevent.duckdb.wal").write_bytes(b"spoilt" * 1000)
    assert nonevent("restore", "backup.duckdb", "--force").code == 0
    assert tables(filled / "nonevent.duckdb") == before
    assert [p.name for p in filled.glob("*.restoring")] == []


def test_a_store_that_is_open_is_not_replaced(filled: Path, nonevent: Nonevent) -> None:
    nonevent("backup", "backup.duckdb")
    import subprocess

    program = (
        "import sys, duckdb\nc = duckdb.connect(sys.argv[1])\nprint('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(filled / "nonevent.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        refused = nonevent("restore", "backup.duckdb", "--force")
        assert other.stdin is not None
        other.stdin.close()
    assert refused.code == 3
    assert "is in use" in refused.err


def test_a_snapshot_shows_headers_and_payloads_as_columns(filled: Path, nonevent: Nonevent) -> None:
    assert nonevent("snapshot", "snapshot.duckdb").code == 0
    refused = nonevent("snapshot", "snapshot.duckdb")
    assert (refused.code, "--force" in refused.err) == (2, True)
    assert nonevent("snapshot", "snapshot.duckdb", "--force").code == 0
    with duckdb.connect(str(filled / "snapshot.duckdb"), read_only=True) as opened:
        found = opened.execute("SELECT headers, payload FROM events WHERE id = 'e-1'").fetchall()
        assert found == [
            ('[["a","1"],["a",{"hex":"ff"}]]', '{"amount":1.1,"n":12345678901234567890}')
        ]
        asked = "SELECT count(*) FROM events WHERE list_contains(correlation_ids, 'ord-1')"
        assert opened.execute(asked).fetchall() == [(3,)]
        names = {row[0] for row in opened.execute("SHOW TABLES").fetchall()}
    assert names == {
        "events", "minutes", "problem_minutes", "let_go", "common_keys", "ages", "taken",
        "partitions", "gaps",
        "finding_log", "outbox", "meta", "findings", "counts", "alert_log", "alerts", "tellings",
        "acts", "consumer_groups", "commits", "ends", "consumer_watches",
    }  # fmt: skip
    original, copied = tables(filled / "nonevent.duckdb"), tables(filled / "snapshot.duckdb")
    for name in names - {"events", "meta"}:
        assert copied[name] == original[name]
    refused = nonevent("flows", "--store", "snapshot.duckdb")
    assert refused.code == 3
    assert "is a snapshot" in refused.err


def test_copies_of_the_running_daemon(house: House, tmp_path: Path) -> None:  # noqa: F811
    daemon = house.run(len(EVENTS))
    for kind in ("snapshot", "backup"):
        said = house.ask(kind, f"{kind}.duckdb")
        assert said.code == 0, said.err
    assert list(tmp_path.glob(".nonevent.duckdb.copy-*")) == []
    refused = house.ask("restore", "backup.duckdb", "--force")
    assert refused.code == 2
    assert "stop it first" in refused.err
    forged = httpx.post(f"{house.url}/api/backup", trust_env=False)
    assert forged.status_code == 403
    write_events(house.events, [event(70, "order.paid", "ord-2")])
    daemon.wait_until(house.seen(len(EVENTS) + 1))
    assert daemon.stop() == 0
    assert len(house.ask("export", "--store", "backup.duckdb").out.splitlines()) == len(EVENTS)
    with duckdb.connect(str(tmp_path / "snapshot.duckdb"), read_only=True) as opened:
        assert opened.execute("SELECT count(payload) FROM events").fetchall() == [(2,)]
    assert house.ask("restore", "backup.duckdb", "--force").code == 0
    house.run(len(EVENTS) + 1).stop()
    assert len(house.ask("export").out.splitlines()) == len(EVENTS) + 1


@pytest.mark.parametrize("plain", [False, True])
def test_a_copy_is_of_one_moment_while_others_write(tmp_path: Path, plain: bool) -> None:
    """In every copy, the offset of the partition is what its events say."""
    store = Store(tmp_path / "store.duckdb")
    ended = threading.Event()
    written = [0]

    def write() -> None:
        while not ended.is_set():
            first = written[0]
            events = [
                Event("s", "t", "t", 0, first + n, 1, 1, "n", payload=f'"{first + n}"')
                for n in range(1_000)
            ]
            state = PartitionState("s", "t", "t", 0, first + 1_000, 0)
            store.commit(Batch(events=events, partitions=[state])).result()
            written[0] += 1_000

    writer = threading.Thread(target=write)
    writer.start()
    try:
        told: list[tuple[int, int]] = []
        for number in range(3):
            while written[0] < 20_000 * (number + 1):
                ended.wait(0.01)
            path = tmp_path / f"copy-{number}.duckdb"
            copy(store, path, plain=plain, report=lambda done, of: told.append((done, of)))
            with duckdb.connect(str(path), read_only=True) as opened:
                asked = 'SELECT count(*), max("offset") + 1, (SELECT next_offset FROM partitions)'
                ((count, end, offset),) = opened.execute(f"{asked} FROM events").fetchall()
            assert count == end == offset >= 20_000 * (number + 1)
            assert told[-1][0] == told[-1][1]
    finally:
        ended.set()
        writer.join()
        store.close()


def test_a_copy_that_fails_leaves_no_file(filled: Path) -> None:
    store = open_store(Configuration(store=StoreSettings(path=filled / "nonevent.duckdb")))

    def fail(done: int, of: int) -> None:
        if done:
            raise StoreError("here")

    with pytest.raises(StoreError, match="here"):
        copy(store, filled / "copy.duckdb", plain=True, report=fail)
    store.close()
    assert list(filled.glob("copy.duckdb*")) == []


def test_progress_is_for_terminals_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("copying") as report:
        report(1, 2)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_flow_is_forgotten_to_the_last_byte(
    filled: Path, nonevent: Nonevent, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [line for line in nonevent("export").out.splitlines() if "ord-2" not in line]
    assert b"ord-2" in (filled / "nonevent.duckdb").read_bytes()
    assert nonevent("findings", "--flow", "ord-2", "--json").json["items"] != []
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert nonevent("forget", "ord-2").code == 2
    assert b"ord-2" in (filled / "nonevent.duckdb").read_bytes()
    assert nonevent("forget", "nobody", "--yes").code == 3
    assert nonevent("forget", "ord-2", "--yes").code == 0
    assert b"ord-2" not in (filled / "nonevent.duckdb").read_bytes()
    assert nonevent("export").out.splitlines() == before
    assert nonevent("findings", "--flow", "ord-2", "--json").json["items"] == []
    assert nonevent("show", "ord-2").code == 3


def test_as_json_one_object_says_what_was_done_and_nothing_else_is_printed(
    filled: Path, nonevent: Nonevent
) -> None:
    for kind in ("snapshot", "backup"):
        said = nonevent(kind, f"{kind}.duckdb", "--json")
        size = (filled / f"{kind}.duckdb").stat().st_size
        assert said.json == {"file": f"{kind}.duckdb", "kind": kind, "bytes": size}
        assert said.err == ""
    said = nonevent("restore", "backup.duckdb", "--force", "--json")
    size = (filled / "nonevent.duckdb").stat().st_size
    assert said.json == {"file": "nonevent.duckdb", "backup": "backup.duckdb", "bytes": size}
    assert said.err == ""


def test_what_is_forgotten_is_told_as_json_and_who_is_asked_is_asked_beside_it(
    filled: Path, nonevent: Nonevent, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = str(filled / "nonevent.duckdb")
    events = len(nonevent("export", "--flow", "ord-2").out.splitlines())
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    said = nonevent("forget", "ord-2", "--json", "--store", store)
    assert said.json == {"file": store, "flow": "ord-2", "ids": ["ord-2"], "events": events}
    assert "Forget ord-2" in said.err
    again = nonevent("forget", "ord-2", "--json", "--yes", "--store", store)
    assert (again.code, again.json["events"], again.err) == (3, 0, "")


def test_nothing_is_forgotten_under_a_running_daemon(house: House) -> None:  # noqa: F811
    house.run(len(EVENTS))
    refused = house.ask("forget", "ord-1", "--yes")
    assert refused.code == 2
    assert "stop it first" in refused.err


TIED = [
    happened(0, "order.created", "ord-a", keys={"order_id": "1"}, payload={"who": "ann-the-first"}),
    happened(1, "order.paid", "pay-b", keys={"order_id": "1"}, payload={"who": "ann-the-second"}),
    happened(2, "order.packed", keys={"order_id": "1"}, payload={"who": "ann-the-third"}),
    happened(3, "order.created", "ord-c", keys={"order_id": "2"}, payload={"who": "bob"}),
    happened(900, "order.created", "ord-d", keys={"order_id": "3"}, payload={"who": "eve"}),
]


@pytest.mark.parametrize("id", ["ord-a", "pay-b"])
def test_a_flow_that_keys_tie_is_forgotten_and_exported_whole(
    tmp_path: Path, nonevent: Nonevent, id: str
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "order.yaml").write_text(RULES)
    write_events(tmp_path / "events.jsonl", TIED)
    store = tmp_path / "nonevent.duckdb"
    keys = {"order_id": {"from": ["payload:order_id"], "ties": True}}
    watch(tmp_path / "events.jsonl", [tmp_path / "rules"], store, keys=keys)
    found = {one["flow"] for one in nonevent("findings", "--json").json["items"]}
    assert found
    assert found <= {"ord-a", "pay-b", "ord-c", "ord-d"}
    exported = nonevent("export", "--flow", id).out
    assert exported.count("ann-the-") == len(exported.splitlines()) == 3
    gone = nonevent("forget", id, "--yes", "--json").json
    assert (gone["ids"], gone["events"]) == (["ord-a", "pay-b"], 3)
    left = store.read_bytes()
    assert not any(one in left for one in (b"ann-the-", b"ord-a", b"pay-b"))
    assert len(nonevent("export").out.splitlines()) == 2
    assert {one["flow"] for one in nonevent("findings", "--json").json["items"]} == (
        found - {"ord-a", "pay-b"}
    )
