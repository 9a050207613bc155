"""What could not be told is counted as it comes up, and once for each flow."""

from pathlib import Path

from analyzer.live import Live
from analyzer.rules.loader import load
from analyzer.sight import Sight
from analyzer.undecided import PRUNE_AFTER, SHOWN, Undecided, Unknown
from collector.batch import PartitionState
from collector.event import Event
from collector.times import US_PER_S

PAID, SHIPPED = ("order", "paid"), ("order", "shipped")


def test_each_expectation_counts_once_for_a_flow_however_often_that_is_judged() -> None:
    some = Undecided()
    there = {"a", "b"}
    some.note("a", {PAID: ""}, there)
    some.note("a", {PAID: ""}, there)
    some.note("b", {PAID: "", SHIPPED: ""}, there)
    some.note("a", {SHIPPED: ""}, there)
    some.note("a", {PAID: ""}, there)
    assert some.told() == {PAID: Unknown(2, ("a", "b")), SHIPPED: Unknown(2, ("b", "a"))}


def test_the_last_flows_are_told_and_memory_is_bounded_by_those_that_are_there() -> None:
    some = Undecided()
    for number in range(2 * PRUNE_AFTER):
        some.note(f"f{number}", {PAID: ""}, {"f5"})
    (told,) = some.told().values()
    last = 2 * PRUNE_AFTER - 1
    assert told == Unknown(last + 1, tuple(f"f{n}" for n in range(last - SHOWN + 1, last + 1)))
    assert len(some._of_flow) <= PRUNE_AFTER + 1


def test_the_live_cache_counts_what_it_could_not_tell(tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text(
        "version: 1\nflow: order\nbegins: created\nwithin: 1h\nexpectations:\n"
        "  - {name: paid, before: shipped, require: paid}\n"
    )
    live = Live(load([tmp_path / "order.yaml"]), lambda flows: {}, 0)
    made = [
        Event("bus", "t", "t", 0, n, n * US_PER_S, n * US_PER_S, name, (flow,))
        for n, (name, flow) in enumerate(
            [("shipped", "a"), ("created", "b"), ("paid", "b"), ("shipped", "b"), ("shipped", "c")]
        )
    ]
    live.absorb(made)
    seen = PartitionState("bus", "t", "t", 0, 9, 9, complete_to=100 * US_PER_S, seen_from=0)
    for _ in range(2):
        assert live.advance(Sight([seen])) == []
        live.remember([])
    assert live.undecided.told() == {PAID: Unknown(2, ("a", "c"))}
