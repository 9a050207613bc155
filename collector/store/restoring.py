"""A backup put in the place of a store."""

import logging
import os
import shutil
from pathlib import Path

import duckdb

from collector.errors import ConfigurationError, StoreError
from collector.progress import Report, unwatched
from collector.store.opening import SNAPSHOT_KEY
from collector.store.syncing import sync
from collector.store.tables import SCHEMA_VERSION

log = logging.getLogger(__name__)

CHUNK = 16 << 20


def restore(backup: Path, store: Path, *, force: bool = False, report: Report = unwatched) -> None:
    """Until the new file is whole, the old one stays where it is."""
    _check(backup)
    if store.exists():
        if not force:
            raise ConfigurationError(
                f"{store} is there already: move it away, or overwrite it with --force"
            )
        _take_out_of_use(store)
    store.parent.mkdir(parents=True, exist_ok=True)
    coming = store.with_name(store.name + ".restoring")
    try:
        _copy(backup, coming, report)
        sync(coming)
        os.replace(coming, store)  # noqa: PTH105  # the one call that is atomic
        sync(store)
    finally:
        coming.unlink(missing_ok=True)


def _check(backup: Path) -> None:
    """Refuses what is no store, or not one that this nonevent can go on with."""
    if not backup.is_file():
        raise ConfigurationError(f"no backup at {backup}")
    if backup.with_name(backup.name + ".wal").exists():
        raise ConfigurationError(
            f"{backup} has a write-ahead log beside it, so it is a store in use, or one that was "
            "copied while it was: make a backup with `nonevent backup`"
        )
    try:
        with duckdb.connect(str(backup), read_only=True) as opened:
            meta = dict(opened.execute("SELECT key, value FROM meta").fetchall())
    except duckdb.Error as error:
        raise StoreError(f"{backup} is no backup of a store: {error}") from error
    version = meta.get("schema_version", "")
    if SNAPSHOT_KEY in meta:
        raise ConfigurationError(
            f"{backup} is a snapshot, for reading: only what `nonevent backup` makes is restored"
        )
    if not version.isdecimal() or int(version) > SCHEMA_VERSION:
        raise StoreError(
            f"{backup} holds schema version {version or 'none'}, this nonevent reads "
            f"{SCHEMA_VERSION}: use the nonevent that wrote it"
        )


def _take_out_of_use(store: Path) -> None:
    """Nobody has the old file open, and its log is in it: alone it would spoil the new one."""
    try:
        duckdb.connect(str(store)).close()
    except duckdb.Error as error:
        if "lock" in str(error):
            raise StoreError(f"{store} is in use: stop what runs on it ({error})") from error
        log.warning("%s, which is replaced, was broken: %s", store, error)
    store.with_name(store.name + ".wal").unlink(missing_ok=True)


def _copy(source: Path, target: Path, report: Report) -> None:
    done, of = 0, source.stat().st_size
    with source.open("rb") as read, target.open("wb") as written:
        while chunk := read.read(CHUNK):
            written.write(chunk)
            done += len(chunk)
            report(done, of)
    shutil.copymode(source, target)
