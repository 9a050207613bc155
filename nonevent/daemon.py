"""The daemon: every part of nonevent, and how they are joined. Read it from top to bottom.

tap -> [decode, inside the tap] -> judge -> alert -> one transaction -> outbox -> sinks
                                                          |
                                          API and pages read the store
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from analyzer.clocks import Clocks
from analyzer.live import Live
from analyzer.outbox import Outbox
from analyzer.reading import next_seq
from analyzer.routes import Routes
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from analyzer.sinks.table import make_sinks
from analyzer.stages import AlertStage, JudgeStage
from analyzer.tables import ANALYZER_TABLES, FINDINGS_VIEW, OUTBOX
from collector.batch import Batch
from collector.errors import ConfigurationError, SourceError
from collector.event import Event
from collector.pipeline import Pipeline
from collector.sources.table import SOURCES
from collector.sources.tap import Tap
from collector.store import reading
from collector.store.store import Store
from nonevent.beacon import Beacon
from nonevent.config import Configuration
from nonevent.garbage import Garbage
from ui.access import allowed_hosts, check_listen
from ui.api import create_app
from ui.priority import QuickWhileAsked
from ui.server import Server
from ui.store_queries import StoreQueries

log = logging.getLogger("nonevent")

LONGEST_PAUSE_S = 30.0


def clock() -> int:
    """The one clock, in µs. Everything below is handed a moment, or this function."""
    return time.time_ns() // 1000


class Daemon:
    """Built from a configuration; `run` serves until it is cancelled."""

    def __init__(self, configuration: Configuration) -> None:
        if not configuration.sources:
            raise ConfigurationError(
                "nothing to watch: name a bus with --bootstrap HOST:PORT, or `sources:` in "
                "nonevent.yaml"
            )
        http = configuration.http
        token = http.token.get_secret_value() if http.token else None
        check_listen(http.host, token)
        self._configuration = configuration
        # What should happen: all rule files, checked as a whole.
        self._rules: RuleSet = load(configuration.expectations)
        # Whom to tell.
        self._sinks = make_sinks(configuration.alerts)
        routes = Routes.of(configuration.alerts, list(self._sinks))

        # What happened: one file, written by one thread.
        self._store = open_store(configuration)
        clocks = Clocks.of(configuration.sources)
        clocks.save(self._store)
        first_start = self._first_start()

        # The stages that a batch passes on its way to its commit.
        self._live = Live(self._rules, self._load_flows, clocks.grace)
        self._judge = JudgeStage(self._live, clocks.sight, first_start)
        with self._store.reader() as cursor:
            seq = next_seq(cursor, OUTBOX.name)
            alert = AlertStage(routes, configuration.labels, self._link_base, seq)
            resume = reading.partitions(cursor)
        names = [source.name for source in configuration.sources]
        gone = [replace(s, retired=True) for s in resume if s.source not in names]
        self._store.commit(Batch(partitions=gone)).result()

        # The taps, each going on where the store says that it was.
        self._taps: list[Tap] = [
            SOURCES[source.kind](source, [s for s in resume if s.source == source.name], clock)
            for source in configuration.sources
        ]
        self._alert = alert
        self._outbox = Outbox(self._store, self._sinks, clock)
        self._pipeline = Pipeline(self._taps, [self._judge, alert], self._store, self._after_commit)

        # What people see.
        self._ready = False
        queries = StoreQueries(
            self._store,
            lambda: self._rules,
            running=True,
            held=lambda: self._live.held(self._judge.sight),
        )
        app = create_app(
            queries,
            token=token,
            allowed_hosts=allowed_hosts(http.host),
            ready=lambda: self._ready,
        )
        self._server = Server(QuickWhileAsked(app), host=http.host, port=http.port)

    async def run(self) -> None:
        """Serves until cancelled; raises when a tap, the store or a stage fails for good."""
        self._garbage = Garbage(clock())
        beacon = Beacon(self._configuration.store.path)
        try:
            self._server.start()
            beacon.light(self._server.url)
            log.info("pages and API: %s", self._server.url)
            await self._pick_up()
            for tap in self._taps:
                await self._start(tap)
            self._ready = True
            log.info("watching %d sources with %d expectations",
                     len(self._taps), len(self._rules.expectations()))  # fmt: skip
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._outbox.run(), name="outbox")
                tasks.create_task(self._pipeline.run(), name="pipeline")
        finally:
            self._ready = False
            for tap in self._taps:
                await tap.stop()
            beacon.out()
            self._server.stop()
            self._store.close()
            self._garbage.release()

    async def _pick_up(self) -> None:
        """Reads the store back: open flows, deadlines, findings; and judges by today's rules."""
        began = time.monotonic()
        batch = await asyncio.to_thread(self._judge.restore, self._store, clock())
        self._alert.process(batch)
        if batch.rows:
            await asyncio.wrap_future(self._store.commit(batch))
        if self._live.flows:
            log.info("picked up %d flows in %.1f s",
                     len(self._live.flows), time.monotonic() - began)  # fmt: skip
        self._garbage.keep()

    async def _start(self, tap: Tap) -> None:
        """A bus that is away is waited for, and said to be."""
        pause = 1.0
        while True:
            try:
                return await tap.start()
            except SourceError as error:
                log.warning("%s; next try in %.0f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)

    def _after_commit(self, batch: Batch) -> None:
        if OUTBOX.name in batch.rows:
            self._outbox.wake()
        self._garbage.after(batch)

    def _load_flows(self, flows: Sequence[str]) -> dict[str, list[Event]]:
        """Through the writer's queue: what was submitted before is committed by then."""
        job = self._store.submit(lambda connection: reading.events_of_flows(connection, flows))
        return job.result()  # type: ignore[no-any-return]  # the job's own result

    def _first_start(self) -> int:
        """When this store was first watched: deadlines before that are history, and wake nobody."""
        known = self._store.meta("first_start")
        if known is None:
            known = str(clock())
            self._store.set_meta("first_start", known)
        return int(known)

    def _link_base(self) -> str:
        return self._configuration.http.link_base or self._server.url


def open_store(configuration: Configuration, *, read_only: bool = False) -> Store:
    """The store with every package's tables."""
    return Store(
        Path(configuration.store.path),
        tables=ANALYZER_TABLES,
        views=(FINDINGS_VIEW,),
        memory=configuration.store.memory,
        read_only=read_only,
    )
