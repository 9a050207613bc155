"""The daemon: every part of nonevent, and how they are joined. Read it from top to bottom, and
`watch.py` for what happens up to the transaction.

tap -> [decode, inside the tap] -> judge -> alert -> one transaction -> outbox -> sinks
                                                          |
                                          API and pages read the store
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from msgspec.structs import replace

from analyzer.outbox.outbox import Outbox
from analyzer.rules.ruleset import RuleSet
from analyzer.sinks.table import make_sinks
from analyzer.tables import OUTBOX
from collector.batch import Batch
from collector.errors import ConfigurationError, SourceError
from collector.hashing import spellings
from collector.sources.condition import Condition
from collector.sources.patience import Patience
from collector.sources.tap import Tap
from collector.times import US_PER_S
from nonevent.beacon import Beacon
from nonevent.clock import clock
from nonevent.config import Configuration
from nonevent.garbage import Garbage
from nonevent.heartbeat import Heartbeat
from nonevent.instruments import Instruments
from nonevent.learning import learn_now_and_then
from nonevent.opening import open_store
from nonevent.pace import CatchUp
from nonevent.rule_watch import RuleWatch
from nonevent.vigil import Vigil
from nonevent.watch import Watch
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
            unknown=lambda: self._watch.live.undecided.told(),
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
            log.info("the rules have changed: what is open is judged by them")
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
