"""The daemon: every part of nonevent, and how they are joined. Read it from top to bottom.

tap -> [decode, inside the tap] -> judge -> alert -> one transaction -> outbox -> sinks
                                                          |
                                          API and pages read the store
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from msgspec.structs import replace

from analyzer.alerts.making import make_alerts, options_of
from analyzer.clocks import Clocks
from analyzer.folds.live import LiveFolds, Use
from analyzer.live import Live
from analyzer.outbox.outbox import Outbox
from analyzer.reading import JUDGED_BY
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from analyzer.sinks.table import make_sinks
from analyzer.stages import JudgeStage
from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS, OUTBOX
from collector.batch import Batch, PartitionState, Stage
from collector.consumers.kafka_watch import KafkaWatch
from collector.consumers.observation import NEVER_LOOKED, WatchRow
from collector.errors import ConfigurationError, SourceError, StoreError
from collector.event import Event
from collector.hashing import spellings
from collector.pipeline import Pipeline
from collector.settings import SourceSettings
from collector.sources.apart import TapApart
from collector.sources.condition import Condition
from collector.sources.patience import Patience
from collector.sources.table import APART, SOURCES
from collector.sources.tap import Tap
from collector.store import observed, reading
from collector.store.store import Store
from collector.store.tied import events_of_tied_flows, save_tying
from collector.ties import Ties, tying_of
from collector.times import US_PER_S
from nonevent.beacon import Beacon
from nonevent.clock import clock
from nonevent.config import Configuration
from nonevent.garbage import Garbage
from nonevent.heartbeat import Heartbeat
from nonevent.instruments import Instruments
from nonevent.keeping import Keeping
from nonevent.learning import learn_now_and_then
from nonevent.pace import CatchUp
from nonevent.progress import progress
from nonevent.rule_watch import RuleWatch
from nonevent.vigil import Vigil
from ui.access import allowed_hosts, check_listen
from ui.api import create_app
from ui.models import CatchingUp
from ui.priority import QuickWhileAsked
from ui.server import Server
from ui.store_acts import StoreActs
from ui.store_operations import StoreOperations
from ui.store_queries import StoreQueries

if TYPE_CHECKING:
    from nonevent.telemetry import Telemetry

log = logging.getLogger("nonevent")

PARTING_S = 30
"""So long at most a stop waits until open flows are written down."""
TAP_PROCESS = (sys.executable, "-m", "nonevent.tap_process")


class Watch:
    """What happened and what should have: from the taps to what is committed. It has no face."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        clock: Callable[[], int],
        sinks: Sequence[str],
        link_base: Callable[[], str],
        committed: Callable[[Batch], None],
        first_start: int | None = None,
        more_stages: Sequence[Stage] = (),
        apart: bool = True,
        around: Callable[[Stage], Stage] = lambda stage: stage,
        rules: RuleSet | None = None,
        store: Store | None = None,
    ) -> None:
        """`rules`, `store`: those of a daemon that goes on with other rules."""
        # What should happen: all rule files, checked as a whole.
        self.rules = load(configuration.expectations) if rules is None else rules

        # What happened: one file, written by one thread.
        self.store = open_store(configuration) if store is None else store
        clocks = Clocks.of(configuration.sources)
        clocks.save(self.store)
        with self.store.reader() as cursor:
            known = reading.partitions(cursor)
        self._clock = clock
        self._picked_up = False
        self._retire_all_but(configuration, known)
        self._look_at_consumers_of(configuration)

        # The stages that a batch passes on its way to its commit.
        first = self._first_start(clock()) if first_start is None else first_start
        self._ties = Ties(tying) if (tying := tying_of(configuration.sources)) else None
        save_tying(self.store, tying)
        self.live = Live(self.rules, self._load_flows, clocks.grace, ties=self._ties)
        folds = LiveFolds(self.rules, self._history, clocks.grace, self._flows_of)
        # What of the last run can be gone on with: not where keys tie, whose state is another.
        key = f"{version('nonevent')} {self.rules.fingerprint()} {clocks.told()}"
        self.judge = JudgeStage(self.live, clocks.sight, first, None if tying else key, folds)
        self.alert = make_alerts(
            configuration.alerts, configuration.labels, sinks, self.rules, self.store,
            self.judge.close, link_base, lambda: self.judge.sight,
        )  # fmt: skip
        self.keeping = Keeping(self.store, configuration.store, self.judge, clock)
        line: list[Stage] = [self.judge, self.alert, self.keeping, *more_stages]
        stages = [around(stage) for stage in line]

        # The taps, each going on where the store says that it was.
        self.taps: list[Tap] = [
            self._tap(source, [s for s in known if s.source == source.name], apart=apart)
            for source in configuration.sources
        ]
        # Who reads the same buses, looked at from outside.
        self.consumers: list[Tap] = [
            self._consumers(source)
            for source in configuration.sources
            if source.kafka is not None and source.kafka.consumers.enabled
        ]
        everyone = [*self.taps, *self.consumers]
        self.pipeline = Pipeline(everyone, stages, self.store, committed, clock)

    def _tap(self, source: SourceSettings, resume: Sequence[PartitionState], *, apart: bool) -> Tap:
        """What is wrong with its settings is an error now, wherever it will run."""
        tap = SOURCES[source.kind](source, resume, self._clock)
        if not apart or source.kind not in APART:
            return tap
        return TapApart(
            source, resume, self._clock, interest=self.judge.interest(), command=TAP_PROCESS
        )

    def _consumers(self, source: SourceSettings) -> Tap:
        with self.store.reader() as cursor:
            return KafkaWatch(source, observed.known(cursor, source.name), self._clock)

    async def stop(self) -> None:
        """Nothing is read any more."""
        for tap in (*self.taps, *self.consumers):
            await tap.stop()

    async def pick_up(self) -> None:
        """Reads the store back: open flows, deadlines, findings; and judges by today's rules."""
        began = time.monotonic()
        batch = await asyncio.to_thread(self.judge.restore, self.store, self._clock())
        await asyncio.to_thread(self.alert.restore, batch)
        if batch.rows:
            await asyncio.wrap_future(self.store.commit(batch))
        # From here on the stored findings are those of these rules.
        await asyncio.to_thread(self.store.set_meta, JUDGED_BY, self.rules.fingerprint())
        self._picked_up = True
        if self.live.flows:
            log.info("picked up %d flows in %.1f s",
                     len(self.live.flows), time.monotonic() - began)  # fmt: skip

    async def part(self) -> None:
        """At an orderly stop: the next start goes on with what is remembered now. It can do
        without, so a full disk does not hold the stop back."""
        if not self._picked_up or self.store.full is not None:
            return
        try:
            async with asyncio.timeout(PARTING_S):
                if await self.pipeline.all_stored():
                    batch = Batch(now=self._clock())
                    self.judge.remember(batch)
                    await asyncio.wrap_future(self.store.commit(batch))
        except (TimeoutError, StoreError, duckdb.Error) as error:
            log.warning("open flows are not written down, and the next start reads them back: %s",
                        str(error) or f"it took more than {PARTING_S} s")  # fmt: skip

    def held(self) -> int:
        """Judgements that wait for a partition that is behind the others."""
        return self.live.held(self.judge.sight)

    def grace_of(self, type: str, expectation: str) -> int:
        """So long (µs) it waits for what is late on the bus."""
        options = options_of(self.rules, type, expectation)
        return 0 if options is None else options.grace_under(self.judge.sight)

    def _load_flows(self, flows: Sequence[str]) -> dict[str, list[Event]]:
        """Through the writer's queue: what was submitted before is committed by then."""
        ties = self._ties
        job = self.store.submit(
            lambda connection: (
                reading.events_of_flows(connection, flows)
                if ties is None
                else events_of_tied_flows(connection, flows, ties)
            )
        )
        return job.result()  # type: ignore[no-any-return]  # the job's own result

    def _history(
        self,
        names: Sequence[str] | None,
        stretches: Sequence[tuple[int, int]],
        use: Use,
        *,
        whole: bool,
    ) -> None:
        """Like `_load_flows`, of events by name and time."""
        self.store.submit(
            lambda connection: use(
                [reading.events_between(connection, names, *s, whole=whole) for s in stretches]
            )
        ).result()

    def _flows_of(self, event: Event) -> Sequence[str]:
        return event.correlation_ids if self._ties is None else self._ties.flows(event)

    def _retire_all_but(self, configuration: Configuration, known: list[PartitionState]) -> None:
        """Sources that are no longer configured hold no judgement back."""
        names = [source.name for source in configuration.sources]
        gone = [replace(state, retired=True) for state in known if state.source not in names]
        self.store.commit(Batch(partitions=gone)).result()

    def _look_at_consumers_of(self, configuration: Configuration) -> None:
        """From the first moment on it is known of which buses consumers will be seen."""
        watched = [
            WatchRow(source.name, self._clock(), NEVER_LOOKED, kafka.consumers.every_us(),
                     tuple(kafka.consumers.groups))
            for source in configuration.sources
            if (kafka := source.kafka) is not None and kafka.consumers.enabled
        ]  # fmt: skip
        self.store.submit(lambda connection: observed.watch_only(connection, watched)).result()

    def _first_start(self, now: int) -> int:
        """When this store was first watched: deadlines before that are history, and wake nobody."""
        known = self.store.meta("first_start")
        # Noted by a clock that ran ahead, it would make history of what is yet to come.
        if known is None or int(known) > now:
            known = str(now)
            self.store.set_meta("first_start", known)
        return int(known)


class Daemon:
    """A watch with its faces and its voice; `run` serves until it is cancelled."""

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
        # A standby judges and is silent.
        standby = configuration.role == "standby"
        sinks = {} if standby else make_sinks(configuration.alerts, clock)
        self._sinks = list(sinks)
        # What it says of itself, beside what the store tells.
        self._telemetry = telemetry_of(configuration)
        self._instruments = Instruments(self._telemetry.passed if self._telemetry else None)
        self._rules = RuleWatch(configuration.expectations)
        self._store = store = open_store(configuration)
        self._watch = self._watch_by(self._rules.rules)

        # Whom to tell: what is committed is delivered, at least once.
        self._outbox = Outbox(
            store, sinks, clock, explain=lambda alert: queries.reasons(alert, at_once=True)
        )

        # What it has to say of itself, and who hears from it while that is nothing.
        self._vigil = Vigil(
            configuration, store, clock,
            taps=self._conditions,
            troubles=self._outbox.troubles,
            rule_errors=lambda: self._rules.errors,
        )  # fmt: skip
        self._yet_to_start: set[Tap] = set()
        beat = configuration.alerts.heartbeat
        self._heartbeat = None if beat is None else Heartbeat(beat, self._well)

        # What people see: the API and the pages, from the store alone.
        self._ready = False
        self._starting: dict[str, Patience] = {}
        self._progress: dict[str, CatchUp] = {}
        self._queries = queries = StoreQueries(
            store,
            lambda: self._watch.rules,
            running=True,
            role=configuration.role,
            held=lambda: self._watch.held(),
            runaway=lambda: self._watch.live.runaway(),
            queued=lambda: self._watch.pipeline.queued(),
            rule_errors=lambda: self._rules.errors,
            conditions=self._conditions,
            catching_up=self._catching_up,
            spellings=lambda text: spellings(configuration.sources, text),
            link_base=self._link_base,
        )
        app = create_app(
            queries,
            token=token,
            allowed_hosts=allowed_hosts(http.host),
            ready=lambda: self._ready and store.full is None,
            collectors=self._instruments.collectors,
            store=StoreOperations(store),
            # Rules that change make another watch; what it reads back and is told, it does once.
            acts=StoreActs(store, clock, lambda act: self._watch.alert.act(act)),
        )
        self._server = Server(QuickWhileAsked(app), host=http.host, port=http.port)

    def _link_base(self) -> str:
        return self._configuration.http.link_base or self._server.url

    def _watch_by(self, rules: RuleSet) -> Watch:
        watch = Watch(
            self._configuration,
            clock=clock,
            sinks=self._sinks,
            link_base=self._link_base,
            committed=self._after_commit,
            around=self._instruments.around,
            rules=rules,
            store=self._store,
        )
        self._instruments.look_at(watch.live.flows, watch.grace_of)
        return watch

    async def run(self) -> None:
        """Serves until cancelled; raises when a tap, the store or a stage fails for good."""
        self._garbage = Garbage(clock())
        beacon = Beacon(self._configuration.store.path)
        try:
            self._server.start()
            beacon.light(self._server.url)
            log.info("pages and API: %s", self._server.url)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._outbox.run(), name="outbox")
                tasks.create_task(self._go_on(), name="watch")
                tasks.create_task(learn_now_and_then(self._queries.learn), name="learning")
                if self._heartbeat is not None:
                    tasks.create_task(self._heartbeat.run(), name="heartbeat")
        except asyncio.CancelledError:
            await self._watch.part()
            raise
        finally:
            self._ready = False
            await self._watch.stop()
            beacon.out()
            self._server.stop()
            self._store.close()
            if self._telemetry is not None:
                self._telemetry.close()
            self._garbage.release()

    async def _go_on(self) -> None:
        """Watches, by other rules whenever their files have changed. That is like a restart, with
        the store, the pages and the outbox as they are."""
        while True:
            watch = self._watch
            self._yet_to_start = set(watch.taps)
            await watch.pick_up()
            self._garbage.keep()
            rules = await self._until_changed(watch)
            log.info("the rules have changed: judging anew what is open")
            await watch.stop()
            # What was submitted is committed, or was never begun, before the store is read.
            await asyncio.wrap_future(self._store.submit(lambda connection: None))
            self._outbox.wake()
            self._watch = self._watch_by(rules)

    async def _until_changed(self, watch: Watch) -> RuleSet:
        """Runs until the rules are others, or something fails for good."""
        async with asyncio.TaskGroup() as tasks:
            working = [
                tasks.create_task(watch.pipeline.run(self._start), name="pipeline"),
                tasks.create_task(
                    self._vigil.run(watch.judge, watch.alert, watch.rules, watch.held), name="vigil"
                ),
                tasks.create_task(watch.keeping.run(), name="retention"),
            ]
            rules = await self._rules.changed()
            for task in working:
                task.cancel()
        return rules

    async def _start(self, tap: Tap) -> None:
        """A bus that is away is waited for, and said to be."""
        patience = Patience(clock())
        while True:
            try:
                await tap.start()
            except SourceError as error:
                if patience.failed(clock(), str(error)):
                    log.warning("%s; trying on with growing pauses", error)
                self._starting[tap.name] = patience
                await asyncio.sleep(patience.pause / US_PER_S)
            else:
                self._starting.pop(tap.name, None)
                self._started(tap)
                return

    def _started(self, tap: Tap) -> None:
        if tap not in self._yet_to_start:
            return
        self._yet_to_start.remove(tap)
        if not self._yet_to_start:
            self._ready = True
            watch = self._watch
            log.info("watching %d sources with %d expectations",
                     len(watch.taps), len(watch.rules.expectations()))  # fmt: skip

    def _conditions(self) -> dict[str, Condition]:
        """How the taps stand with their buses; asked from the server's threads."""
        found = {tap.name: tap.condition() for tap in self._watch.taps}
        for consumers in self._watch.consumers:
            of_tap = found[consumers.name]
            denied = (*of_tap.denied, *consumers.condition().denied)
            found[consumers.name] = replace(of_tap, denied=denied)
        for name, patience in self._starting.copy().items():
            found[name] = replace(
                found[name],
                state="connecting",
                since=patience.since,
                why=patience.why,
                next_try=patience.next_try,
            )
        return found

    def _after_commit(self, batch: Batch) -> None:
        self._tell_progress(batch)
        self._instruments.committed(batch)
        if OUTBOX.name in batch.rows:
            self._outbox.wake()
        self._garbage.after(batch)

    def _well(self) -> bool:
        return self._ready and self._vigil.well

    def _tell_progress(self, batch: Batch) -> None:
        # A batch is of one source, and holds the state of each of its partitions.
        if not batch.partitions:
            return
        name = batch.partitions[0].source
        progress = self._progress.setdefault(name, CatchUp(name))
        if line := progress.committed(batch.partitions, batch.now):
            log.info("%s", line)

    def _catching_up(self) -> dict[str, CatchingUp]:
        """Asked from the server's threads."""
        now = {name: progress.now for name, progress in self._progress.copy().items()}
        return {name: one.shown() for name, one in now.items() if one is not None}


def telemetry_of(configuration: Configuration) -> "Telemetry | None":
    """Where it is not wanted its libraries, a quarter of a second, are not loaded."""
    if configuration.telemetry.otlp is None:
        return None
    from nonevent.telemetry import Telemetry

    kinds = {source.name: source.kind for source in configuration.sources}
    return Telemetry(configuration.telemetry, labels=configuration.labels, kinds=kinds)


def open_store(
    configuration: Configuration, *, read_only: bool = False, snapshots: bool = False
) -> Store:
    """The store with every package's tables; a snapshot of one, too, where that will do."""
    path = Path(configuration.store.path)
    with progress(f"migrating {path}") as report:
        return Store(
            path,
            tables=ANALYZER_TABLES,
            views=ANALYZER_VIEWS,
            memory=configuration.store.memory,
            read_only=read_only,
            report=report,
            snapshots=snapshots,
        )
