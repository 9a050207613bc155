"""What the live cache keeps of a flow that has too many events: next to nothing."""

from pathlib import Path

import pytest

from analyzer.judge import RUNAWAY
from analyzer.kinds.after_expect import AfterExpect
from analyzer.live import Live
from analyzer.rules.rule import Options
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.runaways import SWEEP
from collector.event import Event
from tests.analyzer.test_properties import S, sight_at

PAID = AfterExpect(Options(name="paid", version="1"), ("made",), (("paid",),), 10 * S)
FILE = RuleFile(Path("p.yaml"), "p", ("made",), ("end",), None, (PAID,))


@pytest.mark.parametrize("name", ["made", "paid"])
def test_its_memory_is_bounded_though_nothing_judges_it(name: str) -> None:
    live = Live(RuleSet.of([FILE]), lambda flows: {flow: [] for flow in flows}, S)
    kept = 0
    for start in range(0, 2 * SWEEP, SWEEP // 4):
        live.absorb(
            [Event("s", "t", "t", 0, n, n, n, name, ("x",)) for n in range(start, start + 200_000)]
        )
        kept = max(kept, live.flows["x"].count)
    assert kept <= SWEEP + 200_000
    live.absorb([Event("s", "t", "t", 0, 0, 0, 0, name, ("y",)) for _ in range(SWEEP)])
    assert live.runaway() >= 1
    live.advance(sight_at(1))
    assert live.flows["x"].count <= RUNAWAY
