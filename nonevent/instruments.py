"""What the daemon measures of itself while a batch passes: its stages, its commit, its size."""

import time
from collections import deque
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass, field

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.registry import Collector

from analyzer.tables import FINDING_LOG, FindingRow
from collector.batch import Batch, Stage
from collector.times import US_PER_S

# When each series began doubles what is scraped, and nobody asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own

SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
EVENTS = (0, 1, 10, 100, 1_000, 10_000, 100_000)
DELAYS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0)
GraceOf = Callable[[str, str], int]
UNDER_WAY = 8
"""So many batches are between the stages and their commit at most; older ones had none."""


@dataclass
class Passing:
    """A batch on its way: when each step began and ended, in ns since the epoch."""

    batch: Batch
    steps: list[tuple[str, int, int]] = field(default_factory=list)


class Instruments:
    """Wraps the stages, and is told of every commit. `passed` hears of what has gone its way."""

    def __init__(
        self,
        passed: Callable[[Passing], None] | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._passed = passed
        self.clock = clock
        self._under_way: deque[Passing] = deque(maxlen=UNDER_WAY)
        self._stages = Histogram(
            "nonevent_stage_seconds", "How long a batch was in a stage.", ("stage",),
            buckets=SECONDS, registry=None,
        )  # fmt: skip
        self._commits = Histogram(
            "nonevent_commit_seconds", "From the last stage to the end of the commit.",
            buckets=SECONDS, registry=None,
        )  # fmt: skip
        self._sizes = Histogram(
            "nonevent_batch_events", "Events that a batch stored.", buckets=EVENTS, registry=None
        )
        self._judgements = Counter(
            "nonevent_judgements", "Judgements that changed a finding, by its state.", ("state",),
            registry=None,
        )  # fmt: skip
        self._flows = Gauge(
            "nonevent_remembered_flows", "Flows that are kept in memory.", registry=None
        )
        self._delays = Histogram(
            "nonevent_judgement_delay_seconds",
            "From a deadline and its grace until that it was missed is stored.",
            buckets=DELAYS, registry=None,
        )  # fmt: skip
        of = ("type", "expectation", "severity")
        self._announced = Counter(
            "nonevent_findings_announced", "Findings that people were to hear of.", of,
            registry=None,
        )  # fmt: skip
        self._retracted = Counter(
            "nonevent_findings_retracted", "Of these, those that were taken back: false alarms.",
            of, registry=None,
        )  # fmt: skip
        self._grace_of: GraceOf = lambda type, expectation: 0
        self.collectors: Sequence[Collector] = (
            self._stages, self._commits, self._sizes, self._judgements, self._flows, self._delays,
            self._announced, self._retracted,
        )  # fmt: skip

    def look_at(self, flows: Sized, grace_of: GraceOf) -> None:
        """What the live judge remembers, and how long (µs) each expectation waits."""
        self._flows.set_function(lambda: len(flows))
        self._grace_of = grace_of

    def around(self, stage: Stage) -> Stage:
        """The same stage, measured."""
        return _Measured(stage, self)

    def step(self, batch: Batch, name: str, began: int, ended: int) -> None:
        passing = next((one for one in self._under_way if one.batch is batch), None)
        if passing is None:
            passing = Passing(batch)
            self._under_way.append(passing)
            if batch.decoded_in:
                self._stages.labels("decode").observe(batch.decoded_in / US_PER_S)
                decoded = batch.now * 1_000
                passing.steps.append(("decode", decoded, decoded + batch.decoded_in * 1_000))
        passing.steps.append((name, began, ended))
        self._stages.labels(name).observe((ended - began) / 1e9)

    def committed(self, batch: Batch) -> None:
        passing = next((one for one in self._under_way if one.batch is batch), None)
        if passing is None:
            return
        # Those before it held nothing that was worth a commit.
        while self._under_way.popleft() is not passing:
            pass
        began, now = passing.steps[-1][2], self.clock()
        passing.steps.append(("commit", began, now))
        self._commits.observe((now - began) / 1e9)
        self._sizes.observe(batch.count)
        for row in batch.rows.get(FINDING_LOG.name, ()):
            self._judgements.labels(row.state).inc()
            if row.news:
                self._tell(row, now // 1_000)
        if self._passed is not None:
            self._passed(passing)

    def _tell(self, row: FindingRow, now: int) -> None:
        """Of what people are to hear of; without a reason it is new."""
        of = (row.type, row.expectation, row.severity)
        if row.state == "retracted":
            self._retracted.labels(*of).inc()
        elif row.reason is None:
            self._announced.labels(*of).inc()
            self._retracted.labels(*of)  # both series begin at once
            if row.deadline is not None and row.finding == "missing":
                due = row.deadline + self._grace_of(row.type, row.expectation)
                self._delays.observe(max(0, now - due) / US_PER_S)


class _Measured:
    def __init__(self, stage: Stage, instruments: Instruments) -> None:
        self._stage, self._instruments = stage, instruments
        self.name = stage.name

    def process(self, batch: Batch) -> None:
        began = self._instruments.clock()
        self._stage.process(batch)
        self._instruments.step(batch, self.name, began, self._instruments.clock())
