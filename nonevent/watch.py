"""Watching without a face: from the taps to what is committed.

tap -> [decode, inside the tap] -> judge -> alert -> one transaction
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

import duckdb
from msgspec.structs import replace

from analyzer.alerts.making import make_alerts, options_of
from analyzer.clocks import RETENTION, Clocks
from analyzer.folds.live import LiveFolds, Use
from analyzer.live import Live
from analyzer.reading import JUDGED_BY
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from analyzer.stages import JudgeStage
from collector.batch import Batch, PartitionState, Stage
from collector.consumers.kafka_watch import KafkaWatch
from collector.consumers.observation import NEVER_LOOKED, WatchRow
from collector.errors import StoreError
from collector.event import Event
from collector.pipeline import Pipeline
from collector.settings import SourceSettings
from collector.sources.apart import TapApart
from collector.sources.table import APART, SOURCES
from collector.sources.tap import Tap
from collector.store import observed, reading
from collector.store.store import Store
from collector.store.tied import events_by_flow, save_tying, stored_ties
from collector.ties import flows_of, tying_of
from collector.times import parse_duration
from nonevent.config import Configuration
from nonevent.keeping import Keeping
from nonevent.opening import open_store

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
        retention = parse_duration(configuration.store.retention)
        clocks = Clocks.of(configuration.sources, retention or RETENTION)
        clocks.save(self.store)
        with self.store.reader() as cursor:
            known = reading.partitions(cursor)
        self._clock = clock
        self._picked_up = False
        self._retire_all_but(configuration, known)
        self._look_at_consumers_of(configuration)

        # The stages that a batch passes on its way to its commit.
        first = self._first_start(clock()) if first_start is None else first_start
        tying = save_tying(self.store, tying_of(configuration.sources))
        with self.store.reader() as cursor:
            self._ties = stored_ties(cursor)
        self.live = Live(self.rules, self._load_flows, clocks.grace, ties=self._ties)
        folds = LiveFolds(
            self.rules, self._history, clocks.grace, self._flows_of, self.live.undecided
        )
        # What the last run wrote down is of use where all of this is as it was.
        key = f"{version('nonevent')} {self.rules.fingerprint()} {clocks.told()} {tying}"
        self.judge = JudgeStage(self.live, clocks.sight, first, key, folds)
        self.alert = make_alerts(
            configuration.alerts, configuration.labels, sinks, self.rules, self.store,
            self.judge.close, link_base, lambda: self.judge.sight,
        )  # fmt: skip
        self.keeping = Keeping(self.store, configuration.store, self.judge, clock, self._ties)
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
        found = TapApart(
            source, resume, self._clock, interest=self.judge.interest(), command=TAP_PROCESS
        )
        found.warm_up()  # while the store is read back
        return found

    def _consumers(self, source: SourceSettings) -> Tap:
        with self.store.reader() as cursor:
            known = observed.known(cursor, source.name)
        return KafkaWatch(source, known, self._clock, self.rules.groups_told_of())

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
        await self.keeping.picked_up()
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
        job = self.store.submit(lambda connection: events_by_flow(connection, flows, self._ties))
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
        return flows_of(event, self._ties)

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
