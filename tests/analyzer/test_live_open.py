"""Which flows the live cache calls open: their events are kept."""

from pathlib import Path

from analyzer.kinds.after_expect import AfterExpect
from analyzer.live import Live
from analyzer.rules.rule import Options
from analyzer.rules.ruleset import RuleFile, RuleSet
from collector.event import Event
from tests.analyzer.test_properties import S, sight_at

PAID = AfterExpect(Options(name="paid", version="1"), ("made",), (("paid",),), 1_000 * S)
FILE = RuleFile(Path("p.yaml"), "p", ("made",), ("end",), None, (PAID,))


def event(second: int, name: str) -> Event:
    return Event("s", "t", "t", 0, second, second * S, second * S, name, ("x",))


def test_a_flow_is_open_from_its_first_event_that_awaits_something_until_that_came() -> None:
    live = Live(RuleSet.of([FILE]), lambda flows: {flow: [] for flow in flows}, S)
    assert not live.is_open("x")
    live.absorb([event(1, "made")])
    live.advance(sight_at(5 * S))
    assert live.judged == 0
    assert live.is_open("x")
    live.absorb([event(2, "paid"), event(3, "end")])
    live.advance(sight_at(2_000 * S))
    assert live.judged == 1
    assert not live.is_open("x")


def test_a_flow_in_which_nothing_was_found_is_judged_once_for_all_its_deadlines() -> None:
    rules = [
        AfterExpect(Options(name=f"paid {n}", version="1"), ("made",), (("paid",),), n * S)
        for n in range(10, 20)
    ]
    file = RuleFile(Path("p.yaml"), "p", ("made",), ("end",), None, tuple(rules))
    live = Live(RuleSet.of([file]), lambda flows: {flow: [] for flow in flows}, S)
    live.absorb([event(1, "made"), event(2, "paid"), event(3, "end")])
    for second in range(50):
        live.advance(sight_at(second * S))
    assert live.judged == 1
