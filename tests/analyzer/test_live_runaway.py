"""What the live cache keeps of a flow that has too many events: next to nothing."""

from pathlib import Path

import pytest

from analyzer import runaways
from analyzer.judge import RUNAWAY
from analyzer.kinds.after_expect import AfterExpect
from analyzer.live import Live
from analyzer.rules.rule import Options
from analyzer.rules.ruleset import RuleFile, RuleSet
from collector.event import Event
from tests.analyzer.test_properties import S, sight_at

PAID = AfterExpect(Options(name="paid", version="1"), ("made",), (("paid",),), 10 * S)
FILE = RuleFile(Path("p.yaml"), "p", ("made",), ("end",), None, (PAID,))


@pytest.mark.parametrize("name", ["made", "paid"])
def test_its_memory_is_bounded_though_nothing_judges_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runaways, "SWEEP", sweep := 10 * RUNAWAY)
    live, some = Live(RuleSet.of([FILE]), lambda flows: {flow: [] for flow in flows}, S), sweep // 5
    kept = 0
    for start in range(0, 2 * sweep, some):
        live.absorb(
            [Event("s", "t", "t", 0, n, n, n, name, ("x",)) for n in range(start, start + some)]
        )
        kept = max(kept, live.flows["x"].count)
    assert kept <= sweep + some
    live.absorb([Event("s", "t", "t", 0, 0, 0, 0, name, ("y",)) for _ in range(sweep)])
    assert live.runaway() >= 1
    live.advance(sight_at(1))
    assert live.flows["x"].count <= RUNAWAY
