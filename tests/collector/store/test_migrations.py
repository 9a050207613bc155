"""Older stores become today's, with everything in them; whatever happens, the old file is there."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collector.batch import Batch, Gap, PartitionState
from collector.errors import StoreError
from collector.event import Event
from collector.store import migrations, reading
from collector.store.store import Store
from collector.store.tables import (
    COMMON_KEYS,
    LET_GO,
    OBSERVATIONS,
    SCHEMA_VERSION,
    WATCHES,
    Table,
)
from tests.collector.sealing import seal

COUNT = 50_000
VERSION_1 = """
CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR);
INSERT INTO meta VALUES ('schema_version', '1'), ('first_start', '7');
CREATE TABLE events (source VARCHAR, topic VARCHAR, topic_id VARCHAR, partition INTEGER,
  "offset" BIGINT, time TIMESTAMP, arrival TIMESTAMP, name VARCHAR, correlation_ids VARCHAR[],
  id VARCHAR, keys MAP(VARCHAR, VARCHAR), key VARCHAR, headers VARCHAR, payload VARCHAR,
  encoding VARCHAR, problems VARCHAR[], seq BIGINT);
CREATE TABLE partitions (source VARCHAR, topic VARCHAR, topic_id VARCHAR, partition INTEGER,
  next_offset BIGINT, first_offset BIGINT, high_watermark BIGINT, complete_to BIGINT,
  seen_from BIGINT, blocked_since BIGINT, carries VARCHAR[], retired BOOLEAN,
  PRIMARY KEY (source, topic, topic_id, partition));
CREATE TABLE gaps (source VARCHAR, topic VARCHAR, topic_id VARCHAR, partition INTEGER,
  from_offset BIGINT, to_offset BIGINT, reason VARCHAR, from_time BIGINT, to_time BIGINT,
  carries VARCHAR[]);
INSERT INTO partitions VALUES ('s', 't', 'id', 0, 50000, 0, 50000, 99, 1, NULL, ['a.*'], false);
INSERT INTO gaps VALUES ('s', 't', 'id', 0, 3, 9, 'retention', 1, 2, NULL);
"""
# A hole in the numbers, as events that were taken out leave; tombstones; texts of any kind.
EVENTS_1 = f"""
INSERT INTO events SELECT 's', 't', 'id', 0, range, make_timestamp(range * 1000),
  make_timestamp(range * 1000 + 1), 'order.created', ['f-' || range], 'e-' || range,
  MAP {{'k': 'v-' || range}}, NULL, '[["n","' || range || '"]]',
  CASE WHEN range % 7 = 0 THEN NULL ELSE '{{"é":' || range || '}}' END, 'json', ['p'],
  CASE WHEN range < 130 THEN range + 1 ELSE range + 1000 END FROM range({COUNT})
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store as version 1 wrote it."""
    made = tmp_path / "store.duckdb"
    with duckdb.connect(str(made)) as connection:
        connection.execute(VERSION_1)
        connection.execute(EVENTS_1)
    return made


def rows_of_version_1(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            'SELECT seq, headers, payload, "offset", id FROM events ORDER BY seq'
        ).fetchall()


def test_a_store_of_version_1_has_everything_in_version_2(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = rows_of_version_1(path)
    told: list[tuple[int, int]] = []
    with caplog.at_level(logging.INFO):
        store = Store(path, report=lambda done, of: told.append((done, of)))
    with store.reader() as cursor:
        events = [event for chunk in reading.all_events(cursor) for event in chunk]
        assert reading.partitions(cursor) == [
            PartitionState(
                "s", "t", "id", 0, 50_000, 0, 50_000, complete_to=99, seen_from=1, carries=("a.*",)
            )
        ]
        assert reading.gaps(cursor) == [Gap("s", "t", "id", 0, 3, 9, "retention", 1, 2)]
    assert [(e.seq, e.headers, e.payload, e.offset, e.id) for e in events] == before
    assert events[1] == Event(
        "s", "t", "id", 0, 1, 1000, 1001, "order.created", ("f-1",), "e-1", (("k", "v-1"),), None,
        '[["n","1"]]', '{"é":1}', "json", ("p",), 2,
    )  # fmt: skip
    assert store.meta("schema_version") == str(SCHEMA_VERSION)
    assert store.meta("first_start") == "7"
    assert told[-1] == (COUNT, COUNT)
    # It is gone on with.
    store.commit(Batch(events=[events[1]], partitions=[PartitionState("s", "t", "x", 0, 1, 0)]))
    store.close()
    store = Store(path)
    with store.reader() as cursor:
        assert reading.events(cursor, "WHERE seq > ?", [before[-1][0]])[0].id == "e-1"
    store.close()
    kept = path.with_name("store.duckdb.schema-1")
    assert rows_of_version_1(kept) == before
    assert str(kept) in caplog.text


def test_spans_of_version_2_that_have_bounds_alone_find_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    store = Store(path, run=100)
    events = [Event("s", "t", "id", 0, n, n, n, "n", (f"f-{n % 7}",)) for n in range(350)]
    store.commit(Batch(events=events)).result()
    seal(store, 100)
    store.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE spans DROP COLUMN seqs")
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")
    store = Store(path, run=100)
    more = [Event("s", "t", "id", 0, n, n, n, "n", (f"f-{n % 7}",)) for n in range(350, 700)]
    store.commit(Batch(events=more)).result()
    seal(store, 100)
    with store.reader() as cursor:
        known = cursor.execute("SELECT seqs IS NULL, count(*) FROM spans GROUP BY ALL").fetchall()
        found = reading.events_of_flows(cursor, ["f-3"])["f-3"]
    store.close()
    assert {row[0] for row in known} == {True, False}
    assert sorted(event.offset for event in found) == list(range(3, 700, 7))


@pytest.mark.parametrize(
    ("version", "tables"),
    [(4, [*OBSERVATIONS, WATCHES]), (5, [LET_GO, COMMON_KEYS])],
    ids=["for what consumers do", "for what retention knows of ties"],
)
def test_an_older_store_has_room_as_a_new_one_has(
    tmp_path: Path, version: int, tables: list[Table]
) -> None:
    names = [table.name for table in tables]
    layouts = []
    for name in ("old", "new"):
        path = tmp_path / name
        Store(path).close()
        if name == "old":
            with duckdb.connect(str(path)) as connection:
                for table in names:
                    connection.execute(f"DROP TABLE {table}")
                connection.execute(
                    "UPDATE meta SET value = ? WHERE key = 'schema_version'", [str(version)]
                )
            Store(path).close()
        with duckdb.connect(str(path), read_only=True) as connection:
            layouts.append(
                connection.execute(
                    "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
                    "WHERE list_contains(?::VARCHAR[], table_name) ORDER BY ALL", [names]
                ).fetchall()
            )  # fmt: skip
    assert layouts[0] == layouts[1]
    assert {row[0] for row in layouts[0]} == set(names)


def test_its_backup_never_overwrites_another(path: Path) -> None:
    other = path.with_name("store.duckdb.schema-1")
    other.write_text("another")
    before = rows_of_version_1(path)
    Store(path).close()
    assert other.read_text() == "another"
    assert rows_of_version_1(path.with_name("store.duckdb.schema-1.2")) == before


def test_killed_in_the_midst_the_old_file_is_as_it_was_and_is_migrated_the_next_time(
    path: Path,
) -> None:
    before = rows_of_version_1(path)
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from collector.store.store import Store\n"
        "def report(done, of):\n"
        "    if done > of // 2:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store(Path(sys.argv[1]), report=report)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert path.with_name("store.duckdb.migrating").exists()
    assert rows_of_version_1(path) == before
    store = Store(path)
    with store.reader() as cursor:
        assert sum(len(chunk) for chunk in reading.all_events(cursor)) == COUNT
    store.close()
    assert not list(path.parent.glob("*.migrating*"))


@pytest.mark.parametrize("linked", [True, False], ids=["hard links", "no hard links"])
def test_stopped_before_the_last_step_both_files_are_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    before = rows_of_version_1(path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    if not linked:
        monkeypatch.setattr(os, "link", refuse)
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            Store(path)
    assert rows_of_version_1(path) == before
    Store(path).close()
    for kept in path.parent.glob("store.duckdb.schema-1*"):
        assert rows_of_version_1(kept) == before
    Store(path, read_only=True).close()


def test_who_only_reads_migrates_nothing_and_says_who_does(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"schema version 1.*`nonevent run` on it"):
        Store(path, read_only=True)
    assert path.read_bytes() == before


def test_without_room_for_it_nothing_is_begun(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows_of_version_1(path)
    monkeypatch.setattr(migrations, "ROOM", 2**40)
    with pytest.raises(StoreError, match="make room"):
        Store(path)
    assert rows_of_version_1(path) == before
    assert [p.name for p in path.parent.iterdir()] == ["store.duckdb"]


def test_there_is_a_step_from_every_version() -> None:
    assert list(migrations.STEPS) == list(range(1, SCHEMA_VERSION))
