"""Opening the file, writing batches from one thread, reading from any."""

import logging
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from collector.batch import Batch
from collector.errors import StoreError
from collector.progress import Report, unwatched
from collector.store import rollups, spans
from collector.store.batches import Batches
from collector.store.gate import Gate
from collector.store.migrations import migrate
from collector.store.notes import note, noted, unchanging
from collector.store.opening import is_full, make, opened, version
from collector.store.rollups import COUNTS_VIEW
from collector.store.spans import RUN
from collector.store.tables import COLLECTOR_TABLES, SCHEMA_VERSION, Table

log = logging.getLogger(__name__)

SEALED_KEYS = (spans.META_KEY, rollups.META_KEY)

CHECKPOINT_AFTER = 16_000_000
"""Bytes of the log, when nothing waits to be written. A checkpoint of so many takes some 0.15 s:
many short ones cost little more than a long one, for which all would wait."""
PUT_OFF = 48_000_000
"""And so many more while something does."""
TIDYING = 100
"""Tasks that DuckDB may take for it in one checkpoint: its own default."""
RETRY_S = 1.0
RENEW_AFTER = 20_000
"""Transactions. For each change of a small table DuckDB 2.0 keeps some 2 KB until the file is
closed."""
WAITING = 64
"""Jobs: who adds one more waits, and with the daemon's loop all of it. So whoever submits one waits
for some that it submitted before."""
READERS_S = 1.0
"""So long new readers wait at most for those that are under way, when a tidying checkpoint or a new
opening needs it."""
MOMENT_S = 0.2
"""And when a checkpoint is due: it may be made a little later, while somebody reads for long."""
LET_IN_S = 0.01
"""So long after its beginning a checkpoint lets new readers in: only those that are under way when
it begins would hold it back."""
SCARCE = 1 << 30
"""Bytes. Where fewer are free, nobody is let in until its end: DuckDB answers nothing any more
after one that found no room, and whoever was reading would be cut short."""
OPENED_AGAIN_S = 30.0
"""So long a reader waits at most for the writer to see that, and to open the file again."""

Job = Callable[[duckdb.DuckDBPyConnection], Any]


@dataclass(frozen=True)
class _Queued:
    job: Job | Batch
    future: Future[Any]
    in_transaction: bool = True
    shares: bool = False
    after: Future[Any] | None = None
    """Another that fails takes this one with it."""


class Store:
    """The one owner of the file. Every write goes through `submit` and so through one thread."""

    def __init__(
        self,
        path: Path,
        *,
        tables: Sequence[Table] = (),
        views: Sequence[str] = (),
        memory: str = "2GB",
        read_only: bool = False,
        report: Report = unwatched,
        run: int = RUN,
        snapshots: bool = False,
    ) -> None:
        """`snapshots`: one may be read, too."""
        self.path = path
        self.views = (COUNTS_VIEW, *views)
        self.full: str | None = None
        """Set while the disk has no room: nothing is written, and so nothing is read."""
        self._memory = memory
        self._gate = Gate()
        """Shut while the file is closed and opened, and where a checkpoint begins."""
        self._checkpoint_at = CHECKPOINT_AFTER
        self._log_stays = False
        """Whether a checkpoint found no room: it is `full` until one has found some, although
        there may be enough for what is written meanwhile."""
        self._again_at = 0.0
        self._since_opened = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._tables = {table.name: table for table in (*COLLECTOR_TABLES, *tables)}
        self._connection = opened(path, memory, read_only=read_only)
        # Before anything is created: a file of a newer version is left as it is.
        found = version(self._connection, path, new=not read_only, snapshots=snapshots)
        if found != SCHEMA_VERSION:
            # Closing it leaves no log beside it: the file is all there is of the store.
            self._connection.close()
            if read_only:
                raise StoreError(
                    f"{path} holds schema version {found}, this nonevent reads {SCHEMA_VERSION}: "
                    "`nonevent run` on it makes the one of the other, and keeps a backup"
                )
            migrate(path, found, report)
            self._connection = opened(path, memory, read_only=read_only)
        if not read_only:
            created = (table.create_sql() for table in self._tables.values())
            make(self._connection, path, [*created, *self.views])
        self._batches = Batches(self._tables, self._read_next_seq(), run, self.reader)
        self._jobs: queue.Queue[_Queued | None] = queue.Queue(WAITING)
        if not read_only:
            self._thread = threading.Thread(target=self._write_loop, name="writer", daemon=True)
            self._thread.start()

    @property
    def tables(self) -> Sequence[Table]:
        return tuple(self._tables.values())

    def _read_next_seq(self) -> int:
        with self.reader() as cursor:
            row = cursor.execute(
                # What was deleted keeps its number: `ages` says how far they had come. A number
                # that lies in a sealed run is never given again: it would not be found there.
                "SELECT coalesce(max(seq), 0) + 1 FROM "
                "(SELECT max(seq) AS seq FROM events UNION ALL SELECT max(seq) FROM ages "
                f"UNION ALL SELECT max(value::BIGINT) FROM meta WHERE key IN {SEALED_KEYS})"
            ).fetchone()
        return int(row[0]) if row else 1

    def last_seq(self) -> int:
        """The number of the newest event, while nothing is being written."""
        return self._batches.next_seq - 1

    # Reading

    @contextmanager
    def reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a transaction of its own: everything read in it is of one moment."""
        cursor = self._begun()
        try:
            with unchanging(cursor):
                yield cursor
        except duckdb.FatalException as error:
            raise StoreError(
                f"{self.path} could not be read to the end, ask again: {_first_line(error)}"
            ) from error
        finally:
            cursor.close()
            self._gate.leave()

    def _begun(self) -> duckdb.DuckDBPyConnection:
        while True:
            self._gate.enter()
            connection = self._connection
            try:
                return _begun(connection)
            except BaseException as error:
                self._gate.leave()
                fatal = isinstance(error, duckdb.FatalException)
                if not (fatal and self._opened_since(connection)):
                    raise

    def _opened_since(self, failed: duckdb.DuckDBPyConnection) -> bool:
        """Waits until the writer has another connection than this one."""
        if self._thread is None:
            return False
        return self._gate.wait_for(lambda: self._connection is not failed, OPENED_AGAIN_S)

    def meta(self, key: str) -> str | None:
        with self.reader() as cursor:
            return noted(cursor, key)

    def size(self) -> int:
        """Bytes on disk, the write-ahead log included."""
        return self.path.stat().st_size + self._log_size()

    def used(self) -> int:
        """Bytes of them that hold something: deleting makes this less, the file stays as large."""
        with self.reader() as cursor:
            ((block, used),) = cursor.execute(
                "SELECT block_size, used_blocks FROM pragma_database_size()"
            ).fetchall()
        return int(block * used) + self._log_size()

    def _log_size(self) -> int:
        try:
            return self.path.with_name(self.path.name + ".wal").stat().st_size
        except FileNotFoundError:
            return 0

    # Writing

    def submit(self, job: Job, *, shares: bool = False) -> Future[Any]:
        """Runs `job` in a transaction on the writer's thread; its failure rolls all of it back.

        `shares`: with others that do and wait with it. It must be one that can be done again, for
        where one of them fails, each gets a transaction of its own.
        """
        return self._queued(_Queued(job, Future(), shares=shares))

    def set_meta(self, key: str, value: str) -> None:
        self.submit(lambda connection: note(connection, key, value)).result()

    def commit(self, batch: Batch, after: Future[Any] | None = None) -> Future[Any]:
        """A whole batch in one transaction: events, offsets, gaps, and what the stages added.

        `after`: the commit of the batch before, whose result is not waited for. Where that fails,
        this one fails with it: no offset is stored of which an event before is not.
        """
        return self._queued(_Queued(batch, Future(), shares=True, after=after))

    def checkpoint(self) -> Future[Any]:
        """What is in the log goes to its place in the file; what was deleted becomes free. Where a
        long reader holds it back (the result is false), that is left to the next one."""
        return self._queued(_Queued(lambda _: self._tidy(), Future(), in_transaction=False))

    def _queued(self, one: _Queued) -> Future[Any]:
        # What was submitted is carried out: nobody who stops waiting for it can take it back.
        one.future.set_running_or_notify_cancel()
        self._jobs.put(one)
        return one.future

    def _write_loop(self) -> None:
        self._writing = self._connection.cursor()
        ahead: list[_Queued | None] = []
        while (first := ahead.pop() if ahead else self._next_job()) is not None:
            self._carry_out(self._that_share(first, ahead))
            self._checkpoint_if_due()
            self._renew_if_due()
        self._writing.close()

    def _next_job(self) -> _Queued | None:
        while True:
            try:
                return self._jobs.get(timeout=RETRY_S if self._log_stays else None)
            except queue.Empty:
                self._checkpoint_if_due()

    def _that_share(self, first: _Queued, ahead: list[_Queued | None]) -> list[_Queued]:
        """For one transaction. `ahead` is given what was taken from the queue and is not for it."""
        some = [first]
        while first.shares and not ahead:
            try:
                following = self._jobs.get_nowait()
            except queue.Empty:
                break
            if following is not None and following.shares:
                some.append(following)
            else:
                ahead.append(following)
        return some

    def _carry_out(self, some: Sequence[_Queued]) -> None:
        """In one transaction; where that fails, each in its own."""
        try:
            results = self._persistently(some)
        except BaseException as error:  # noqa: BLE001  # handed to whoever waits for the result
            if len(some) == 1:
                some[0].future.set_exception(error)
                return
            for one in some:
                self._carry_out([one])
        else:
            for one, result in zip(some, results, strict=True):
                one.future.set_result(result)

    def _persistently(self, some: Sequence[_Queued]) -> list[Any]:
        """Tries again for as long as the disk is full: nothing is read meanwhile, nothing lost."""
        first_seq = self._batches.next_seq
        failed = False
        while True:
            try:
                if not some[0].in_transaction:
                    return self._done(some)
                self._writing.execute("BEGIN")
                results = self._done(some)
                self._writing.execute("COMMIT")
                if failed:
                    # A commit that found no room stays open inside DuckDB, and holds back every
                    # checkpoint until the file was closed.
                    self._open_again()
                    if not self._log_stays:
                        self._there_is_room()
                return results
            except BaseException as error:
                self._batches.next_seq = first_seq
                if not self._no_room(error):
                    _roll_back(self._writing)
                    raise
                failed = True
                if self._closing.is_set():
                    raise StoreError(f"{self.path}: {self.full}") from error
                self._closing.wait(RETRY_S)

    def _done(self, some: Sequence[_Queued]) -> list[Any]:
        """In their order; batches that follow one another are written together."""
        results: list[Any] = []
        batches: list[Batch] = []
        for one in some:
            if one.after is not None and one.after.done():
                one.after.result()
            if isinstance(one.job, Batch):
                batches.append(one.job)
                results.append(None)
            else:
                self._batches.write(self._writing, batches)
                batches.clear()
                results.append(one.job(self._writing))
        self._batches.write(self._writing, batches)
        return results

    def _tidy(self) -> bool:
        """A checkpoint that also gives free what was deleted."""
        self._writing.execute(f"SET GLOBAL max_vacuum_tasks = {TIDYING}")
        try:
            return self._checkpoint(READERS_S)
        finally:
            # After a failed checkpoint nothing is answered, and the file is opened again anyway.
            with suppress(duckdb.Error):
                self._writing.execute("SET GLOBAL max_vacuum_tasks = 0")

    def _checkpoint(self, patience_s: float = MOMENT_S) -> bool:
        """After updates and deletes, readers that are under way hold it back: new ones wait then,
        so that there is a moment without any."""
        scarce = shutil.disk_usage(self.path).free < SCARCE
        if not scarce and self._taken_in():
            return True
        with self._gate.moment(patience_s, None if scarce else LET_IN_S):
            return self._taken_in()

    def _taken_in(self) -> bool:
        try:
            self._writing.execute("CHECKPOINT")
        except duckdb.TransactionException:
            return False
        except duckdb.Error as error:
            if _wants_room(error):
                self._log_stays, self._again_at = True, time.monotonic() + RETRY_S
            raise
        if self._log_stays:
            self._log_stays = False
            self._there_is_room()
        return True

    def _checkpoint_if_due(self) -> None:
        """Between transactions, so that one that fails says nothing of theirs."""
        try:
            size, due = self._log_size(), self._checkpoint_at
            if self._log_stays:
                if time.monotonic() >= self._again_at:
                    self._again_at = time.monotonic() + RETRY_S
                    self._checkpoint()
                return
            if not self._jobs.empty():
                due += PUT_OFF
            if size > due:
                done = self._checkpoint()
                # Held back by a copy, it is not tried again at every batch.
                self._checkpoint_at = CHECKPOINT_AFTER if done else size + size // 8
        except (duckdb.Error, OSError) as error:
            if not self._no_room(error):
                log.warning("%s: its log could not be taken in yet: %s", self.path, error)

    def _renew_if_due(self) -> None:
        """Gives back what DuckDB has kept; held back by readers, it is tried again later."""
        self._since_opened += 1
        if self._since_opened < RENEW_AFTER or self.full is not None or self._closing.is_set():
            return
        if not self._open_again(READERS_S):
            self._since_opened -= RENEW_AFTER // 10

    def _no_room(self, error: BaseException) -> bool:
        """Whether the disk is full; then it is said, and the file is as it was before."""
        if not _wants_room(error):
            return False
        if self.full is None:
            why = f"no room on the disk: {_first_line(error)}"
            then = "The log grows" if self._log_stays else "Nothing is read"
            log.error("%s: %s. %s until there is room; what is stored is intact",
                      self.path, why, then)  # fmt: skip
            self.full = why
        if isinstance(error, duckdb.FatalException):
            self._open_again()
        else:
            _roll_back(self._writing)
        return True

    def _there_is_room(self) -> None:
        self.full = None
        log.warning("there is room on the disk again: %s goes on", self.path)

    def _open_again(self, patience_s: float | None = None) -> bool:
        """After a failed checkpoint DuckDB answers nothing any more until the file was closed.

        False, and nothing is done, where readers are under way for longer than `patience_s`.
        """
        try:
            if not self._gate.shut(patience_s):
                return False
            self._writing.close()
            self._connection.close()
            while True:
                try:
                    self._connection = opened(self.path, self._memory)
                    break
                except StoreError:
                    # To open it, DuckDB may want room, too.
                    if self._closing.wait(RETRY_S):
                        raise
            self._writing = self._connection.cursor()
            self._since_opened = 0
            return True
        finally:
            self._gate.open()

    def close(self) -> None:
        """Finishes what was submitted, then closes the file."""
        self._closing.set()
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
        self._batches.close()
        self._connection.close()


def _begun(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    cursor = connection.cursor()
    try:
        cursor.execute("BEGIN")
    except BaseException:
        cursor.close()
        raise
    return cursor


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _wants_room(error: BaseException) -> bool:
    """A failed checkpoint is fatal to DuckDB, whatever it says of it."""
    fatal = isinstance(error, duckdb.FatalException)
    return fatal or (isinstance(error, duckdb.Error) and is_full(error))


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """Rolls back where there is something to; a failed commit has already done so."""
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error as error:
        log.debug("nothing to roll back: %s", error)
