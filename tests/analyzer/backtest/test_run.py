"""The backtest is the judge: over any log and any rules, instances and findings are its own."""

from collections import Counter
from collections.abc import Container, Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.backtest.past import Past, Period, Span
from analyzer.backtest.run import backtest
from analyzer.finding import Finding
from analyzer.finding import findings as findings_of
from analyzer.judge import judge
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.sight import Sight
from collector.event import Event
from collector.progress import Report
from collector.ties import Ties, Tying, tied_flows
from tests.analyzer.test_properties import LAST, TYING, S, logs, rule_files, sight_at
from tests.examples import examples


class ListPast(Past):
    """A few events, some of them at a time."""

    def __init__(self, events: list[Event], tying: Tying, moment: int) -> None:
        self._events, self._moment = events, moment
        self.ties, self.period = Ties(tying) if tying else None, Period()

    def batches(self, read: Container[str], report: Report) -> Iterator[list[Event]]:
        for start in range(0, len(self._events), 3):
            yield self._events[start : start + 3]

    def sight(self, span: Span, groups: frozenset[str] = frozenset()) -> Sight:
        return sight_at(self._moment)


@settings(max_examples=examples(75))
@given(
    rule_files(),
    rule_files(),
    logs(),
    st.sampled_from([{}, TYING]),
    st.integers(0, LAST + 40),
    st.randoms(use_true_random=False),
)
def test_what_it_counts_and_finds_is_what_the_judge_says(
    file, other, log, tying, moment, random
) -> None:
    shuffled = list(log)
    random.shuffle(shuffled)
    sight = sight_at(moment * S)
    judged = _judged(file, log, tying, sight)
    expected = Counter((i.expectation, i.state) for one in judged for i in one.instances)
    found: list[Finding] = []
    outcome = backtest(
        ListPast(shuffled, tying, moment * S),
        RuleSet.of([file]),
        RuleSet.of([other]),
        found.append,
    )
    assert expected == Counter(
        {(t.name, state): n for t in outcome.tallies for state, n in t.counts.items() if n}
    )
    now = {finding.id: finding for finding in _found(file, judged)}
    assert {finding.id: finding for finding in found} == now
    before = {f.id for f in _found(other, _judged(other, log, tying, sight))}
    difference = outcome.difference
    assert difference is not None
    assert (difference.new, difference.gone, difference.same) == (
        len(now.keys() - before), len(before - now.keys()), len(before & now.keys()),
    )  # fmt: skip
    assert outcome.events == len(log)
    assert outcome.flows == len(tied_flows(log, tying))


def _judged(file: RuleFile, log: list[Event], tying: Tying, sight: Sight):
    return [
        one
        for name, flow in tied_flows(log, tying).items()
        for one in judge(name, flow.events, file, sight)
    ]


def _found(file: RuleFile, judged) -> list[Finding]:
    rules = RuleSet.of([file]).by_name
    return [finding for one in judged for finding in findings_of(one, rules)]
