"""How often the live cache has a flow judged."""

from pathlib import Path

from analyzer.kinds.after_expect import AfterExpect
from analyzer.live import Live
from analyzer.rules.rule import Options
from analyzer.rules.ruleset import RuleFile, RuleSet
from collector.event import Event
from tests.analyzer.test_properties import S, sight_at


def event(second: int, name: str) -> Event:
    return Event("s", "t", "t", 0, second, second * S, second * S, name, ("x",))


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
