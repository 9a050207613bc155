"""From an older schema to today's: forward only, on a copy, and the old file is kept as a backup.

Each step says in full what its version looked like: what `tables.py` says today is another matter.
"""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa

from collector.errors import StoreError
from collector.event import Event
from collector.progress import Report
from collector.store.blocks import pack
from collector.store.syncing import sync
from collector.store.tables import SCHEMA_VERSION

log = logging.getLogger(__name__)

Step = Callable[[duckdb.DuckDBPyConnection, Report], None]
ROWS = 20_000
ROOM = 2
"""So many times its size a store needs on the disk besides: a copy, and what is written anew."""


def migrate(path: Path, version: int, report: Report) -> None:
    """Puts a migrated copy in the place of the file, which nobody has open.

    Until then the file is as it was, so a crash costs nothing but the time.
    """
    size = path.stat().st_size
    if shutil.disk_usage(path.parent).free < ROOM * size:
        raise StoreError(
            f"{path} holds schema version {version}: making version {SCHEMA_VERSION} of it needs "
            f"{ROOM * size:,} bytes beside it, and there is less: make room, and start again"
        )
    log.info("%s holds schema version %d: making version %d of it", path, version, SCHEMA_VERSION)
    copy = path.with_name(path.name + ".migrating")
    _remove(copy)
    shutil.copyfile(path, copy)
    shutil.copymode(path, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("SET memory_limit = '1GB'; SET enable_progress_bar = false")
        for number in range(version, SCHEMA_VERSION):
            STEPS[number](connection, _told(report))
            connection.execute(
                "UPDATE meta SET value = ? WHERE key = 'schema_version'", [str(number + 1)]
            )
        connection.execute("CHECKPOINT")
    sync(copy)
    kept = _keep(path, version)
    os.replace(copy, path)  # noqa: PTH105  # the one call that is atomic
    sync(path)
    log.info("%s holds schema version %d now; as it was before it is kept in %s: remove that when "
             "all is well", path, SCHEMA_VERSION, kept)  # fmt: skip


def _told(report: Report) -> Report:
    """Says it in the log too, ten times at most."""
    tenths = 0

    def told(done: int, of: int) -> None:
        nonlocal tenths
        report(done, of)
        if of and done * 10 // of > tenths:
            tenths = done * 10 // of
            log.info("migrating: %d of %d events", done, of)

    return told


def _keep(path: Path, version: int) -> Path:
    """A second name for the file as it is, or a copy where the file system knows no such thing."""
    number, kept = 1, path.with_name(f"{path.name}.schema-{version}")
    while kept.exists() and not kept.samefile(path):
        number += 1
        kept = path.with_name(f"{path.name}.schema-{version}.{number}")
    if not kept.exists():
        try:
            os.link(path, kept)
        except OSError:
            shutil.copyfile(path, kept)
            sync(kept)
    return kept


def _remove(path: Path) -> None:
    for name in (path.name, path.name + ".wal"):
        path.with_name(name).unlink(missing_ok=True)


def _to_2(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    """Headers and payloads go into blocks; partitions know of transactions and epochs."""
    connection.execute("ALTER TABLE events RENAME TO events_1")
    connection.execute(
        "CREATE TABLE events (source VARCHAR, topic VARCHAR, topic_id VARCHAR, partition INTEGER, "
        '"offset" BIGINT, time TIMESTAMP, arrival TIMESTAMP, name VARCHAR, '
        "correlation_ids VARCHAR[], id VARCHAR, keys MAP(VARCHAR, VARCHAR), key VARCHAR, "
        "encoding VARCHAR, problems VARCHAR[], seq BIGINT, block BIGINT)"
    )
    connection.execute(
        "CREATE TABLE payloads (block BIGINT, data BLOB USING COMPRESSION uncompressed)"
    )
    ((of,),) = connection.execute("SELECT count(*) FROM events_1").fetchall()
    done, last = 0, -1
    while True:
        rows = connection.sql(
            f"SELECT * FROM events_1 WHERE seq > {last} ORDER BY seq LIMIT {ROWS}"
        ).to_arrow_table()
        if not rows.num_rows:
            break
        numbers = rows["seq"].to_pylist()
        _insert_2(connection, rows, numbers)
        last, done = numbers[-1], done + len(numbers)
        report(done, of)
    connection.execute("DROP TABLE events_1")
    connection.execute("ALTER TABLE partitions RENAME TO partitions_1")
    connection.execute(
        "CREATE TABLE partitions (source VARCHAR, topic VARCHAR, topic_id VARCHAR, "
        "partition INTEGER, next_offset BIGINT, first_offset BIGINT, high_watermark BIGINT, "
        "last_stable_offset BIGINT, hidden_since BIGINT, epoch INTEGER, complete_to BIGINT, "
        "seen_from BIGINT, blocked_since BIGINT, carries VARCHAR[], retired BOOLEAN, "
        "PRIMARY KEY (source, topic, topic_id, partition))"
    )
    connection.execute("INSERT INTO partitions BY NAME SELECT * FROM partitions_1")
    connection.execute("DROP TABLE partitions_1")


def _insert_2(connection: duckdb.DuckDBPyConnection, rows: pa.Table, numbers: list[int]) -> None:
    """Blocks begin anew where numbers leave a hole: an event's place in its block is its number."""
    headers, payloads = rows["headers"].to_pylist(), rows["payload"].to_pylist()
    starts: list[int] = []
    packed: list[bytes] = []
    of_events: list[int] = []
    begin = 0
    for end in range(1, len(numbers) + 1):
        if end < len(numbers) and numbers[end] == numbers[end - 1] + 1:
            continue
        run = [
            Event("", "", "", 0, 0, 0, 0, "", headers=h, payload=p)
            for h, p in zip(headers[begin:end], payloads[begin:end], strict=True)
        ]
        at = begin
        lengths, blocks = pack(run)
        for length, block in zip(lengths, blocks, strict=True):
            starts.append(numbers[at])
            packed.append(block)
            of_events += [numbers[at]] * length
            at += length
        begin = end
    events = rows.drop_columns(["headers", "payload"])
    events = events.append_column("block", pa.array(of_events, pa.int64()))
    blocks_table = pa.table({"block": pa.array(starts, pa.int64()), "data": pa.array(packed)})
    for table, incoming in (("events", events), ("payloads", blocks_table)):
        connection.register("incoming", incoming)
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
        connection.unregister("incoming")


def _to_3(connection: duckdb.DuckDBPyConnection, _: Report) -> None:
    """Spans name the events themselves; those that are there keep to their bounds."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS spans (hash UBIGINT, lo BIGINT, hi BIGINT, run INTEGER)"
    )
    connection.execute("ALTER TABLE spans ADD COLUMN seqs BIGINT[]")


def _to_4(connection: duckdb.DuckDBPyConnection, _: Report) -> None:
    """Alerts are told, where findings were: what nobody was told yet is told as alerts, anew."""
    connection.execute("ALTER TABLE IF EXISTS finding_log ADD COLUMN closed_by VARCHAR")
    connection.execute("ALTER TABLE IF EXISTS outbox ADD COLUMN outcome VARCHAR")
    if connection.execute("FROM duckdb_tables() WHERE table_name = 'outbox'").fetchall():
        connection.execute("DELETE FROM outbox WHERE delivered IS NULL")
        connection.execute("UPDATE outbox SET outcome = 'taken'")


def _to_5(connection: duckdb.DuckDBPyConnection, _: Report) -> None:
    """Every store has room for what is observed of consumers."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS consumer_groups (moment TIMESTAMP, source VARCHAR, "
        '"group" VARCHAR, type VARCHAR, state VARCHAR, members INTEGER, since TIMESTAMP, '
        "why VARCHAR)"
    )
    connection.execute(
        'CREATE TABLE IF NOT EXISTS commits (moment TIMESTAMP, source VARCHAR, "group" VARCHAR, '
        "topic VARCHAR, topic_id VARCHAR, partition INTEGER, committed BIGINT, since TIMESTAMP, "
        'before TIMESTAMP, "end" BIGINT, waiting_since TIMESTAMP, at_least BOOLEAN)'
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS ends (moment TIMESTAMP, source VARCHAR, topic VARCHAR, "
        'topic_id VARCHAR, partition INTEGER, "end" BIGINT, high_watermark BIGINT, '
        "since TIMESTAMP, before TIMESTAMP, hung VARCHAR)"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS consumer_watches (source VARCHAR PRIMARY KEY, "
        "began TIMESTAMP, moment TIMESTAMP, every BIGINT, groups VARCHAR[], why VARCHAR)"
    )


def _to_6(connection: duckdb.DuckDBPyConnection, _: Report) -> None:
    """What ties is known of what was deleted."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS let_go (number BIGINT, moment BIGINT, "
        "last BIGINT, ids VARCHAR[])"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS common_keys (number BIGINT, name VARCHAR, value VARCHAR)"
    )


STEPS: dict[int, Step] = {1: _to_2, 2: _to_3, 3: _to_4, 4: _to_5, 5: _to_6}
"""By the version that a step begins with."""
