"""What the daemon measures of itself: each batch by its stages, its commit and its size."""

from collections.abc import Iterator
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from analyzer.finding import Finding
from analyzer.tables import FINDING_LOG, FindingRow
from collector.batch import Batch
from collector.event import Event
from nonevent.instruments import UNDER_WAY, Instruments, Passing
from tests.watching import START


class Step:
    """A stage that takes one tick."""

    def __init__(self, name: str) -> None:
        self.name = name

    def process(self, batch: Batch) -> None:
        batch.add("seen", self.name)


def ticking() -> Iterator[int]:
    yield from range(0, 10**15, 10**9)


def batch(count: int = 1) -> Batch:
    some = [Event("s", "t", "t", 0, n, START, START, "n") for n in range(count)]
    return Batch(events=some, now=START, decoded_in=2_000_000)


def told(instruments: Instruments) -> CollectorRegistry:
    registry = CollectorRegistry()
    for one in instruments.collectors:
        registry.register(one)
    return registry


def test_a_batch_is_measured_in_each_stage_and_to_the_end_of_its_commit() -> None:
    passed: list[Passing] = []
    seconds = ticking()
    instruments = Instruments(passed.append, clock=lambda: next(seconds))
    one = batch(3)
    for stage in (Step("judge"), Step("alert")):
        instruments.around(stage).process(one)
    assert one.rows["seen"] == ["judge", "alert"], "the stages do what they do"
    instruments.committed(one)
    registry = told(instruments)
    for name, took in {"decode": 2, "judge": 1, "alert": 1}.items():
        assert registry.get_sample_value("nonevent_stage_seconds_sum", {"stage": name}) == took
    assert registry.get_sample_value("nonevent_commit_seconds_count") == 1
    assert registry.get_sample_value("nonevent_commit_seconds_sum") == 1
    assert registry.get_sample_value("nonevent_batch_events_sum") == 3
    (passing,) = passed
    assert [name for name, _, _ in passing.steps] == ["decode", "judge", "alert", "commit"]


def test_batches_that_are_never_committed_are_forgotten() -> None:
    passed: list[Passing] = []
    instruments = Instruments(passed.append)
    judge = instruments.around(Step("judge"))
    for _ in range(10 * UNDER_WAY):
        judge.process(batch(0))
    last = batch()
    judge.process(last)
    instruments.committed(last)
    instruments.committed(last)
    assert [one.batch is last for one in passed] == [True]
    assert len(instruments._under_way) == 0


def found(id: str, **changes: Any) -> FindingRow:
    finding = Finding(
        id, "paid", "order", "missing", "open", "ord-1", "ord-1", START, START, "critical", {},
        "1", (), None, (), "no payment",
    )  # fmt: skip
    row = FindingRow.of(finding, 1, None, START, historical=False, news=True)
    return msgspec.structs.replace(row, **changes)


def test_what_was_announced_taken_back_and_how_long_it_took_is_counted() -> None:
    instruments = Instruments(clock=lambda: (START + 7_500_000) * 1_000)
    instruments.look_at([], lambda type, expectation: {"paid": 5_000_000}[expectation])
    one = batch()
    for row in (
        found("a"),
        found("b", finding="repeated", deadline=None),
        found("c", news=False),
        found("a", state="retracted", reason="it came"),
        found("d", state="retracted", reason="it came", news=False),
        found("a", reason="no payment, and no refund"),
    ):
        one.add(FINDING_LOG.name, row)
    instruments.around(Step("judge")).process(one)
    instruments.committed(one)
    registry = told(instruments)
    of = {"type": "order", "expectation": "paid", "severity": "critical"}
    assert registry.get_sample_value("nonevent_findings_announced_total", of) == 2
    assert registry.get_sample_value("nonevent_findings_retracted_total", of) == 1
    assert registry.get_sample_value("nonevent_judgement_delay_seconds_count") == 1
    assert registry.get_sample_value("nonevent_judgement_delay_seconds_sum") == 2.5
