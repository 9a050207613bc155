"""Of a topic only a part of the flows is kept: what is left out is not called missing."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from analyzer.clocks import Clocks
from analyzer.instance import Instance
from analyzer.judge import judge
from analyzer.kinds.after_expect import AfterExpect
from analyzer.kinds.count import once
from analyzer.reading import findings
from analyzer.rules.rule import Options, Rule
from analyzer.rules.ruleset import RuleFile
from analyzer.sight import Sight
from collector.batch import PartitionState
from collector.event import Event
from collector.keep import Keep, in_sample
from collector.settings import SourceSettings
from collector.store.store import Store
from collector.times import US_PER_S as S
from tests.watching import happened, watch, write_events

SHARE = 0.3
SOURCE = SourceSettings.model_validate({
    "name": "s",
    "kafka": {"bootstrap": "127.0.0.1:1", "topics": ["*"]},
    "topics": {"*": {"sample": 0.9}, "pay*": {"sample": SHARE}, "orders": {"sample": 1}},
})  # fmt: skip
PAID = AfterExpect(Options(name="paid", grace=0), ("created",), (("paid",),), 10 * S)
PAID_ONCE = once(Options(name="paid once", grace=0), ("paid",), (), 10 * S)


def sight(carries: tuple[str, ...] | None = None) -> Sight:
    states = [
        PartitionState("s", topic, topic, 0, 0, 0, complete_to=100 * S, seen_from=0, carries=names)
        for topic, names in (("orders", ("created", "paid")), ("payments", carries))
    ]
    return Clocks.of([SOURCE]).sight(states, ())


def event(topic: str, name: str, at: int, *flows: str) -> Event:
    return Event("s", topic, topic, 0, at, at * S, at * S, name, flows)


def only(rule: Rule, events: Sequence[Event], sight: Sight) -> Instance:
    file = RuleFile(Path("x.yaml"), "order", ("created",), (), None, (rule,))
    ((one,),) = [j.instances for j in judge(events[0].correlation_ids[0], events, file, sight)]
    return one


def flows(kept: bool) -> list[str]:
    return [f"f{n}" for n in range(60) if in_sample((f"f{n}",), SHARE) == kept]


@pytest.mark.parametrize("rule", [PAID, PAID_ONCE], ids=lambda rule: rule.options.name)
def test_absence_on_a_sampled_topic_counts_in_the_flows_that_are_kept(rule: Rule) -> None:
    assert len(flows(True)) > 5
    for flow in flows(True):
        one = only(rule, [event("orders", "created", 1, flow)], sight())
        assert one.state == "missing"


@pytest.mark.parametrize("rule", [PAID, PAID_ONCE], ids=lambda rule: rule.options.name)
def test_what_is_left_out_of_the_sample_is_unknown_and_says_why(rule: Rule) -> None:
    keep = Keep([], SHARE, "payload", 1_000_000)
    for flow in flows(False):
        whole = [event("orders", "created", 1, flow), event("payments", "paid", 2, flow)]
        assert keep(whole[1]) == "sampled"
        one = only(rule, whole[:1], sight())
        assert one.state == "unknown"
        assert one.text.endswith("only a part of the flows on payments is kept, and not this one")
        one = only(rule, whole, sight())
        assert one.state == "met"


def test_a_topic_that_cannot_carry_what_is_awaited_excuses_nothing() -> None:
    for flow in flows(False):
        one = only(PAID, [event("orders", "created", 1, flow)], sight(carries=("refunded",)))
        assert one.state == "missing"


def test_of_a_tied_flow_every_id_must_be_in_the_sample() -> None:
    inside, outside = flows(True)[0], flows(False)[0]
    events = [event("orders", "created", 1, inside), event("orders", "seen", 2, outside)]
    one = only(PAID, events, sight())
    assert one.state == "unknown"
    # Of a batch's other IDs nothing of this flow depends.
    events = [event("orders", "created", 1, inside), event("orders", "seen", 2, inside, outside)]
    one = only(PAID, events, sight())
    assert one.state == "missing"


def test_a_flow_whose_begin_is_not_kept_is_partial() -> None:
    rule = AfterExpect(Options(name="sent"), ("paid",), (("sent",),), 100 * S)
    file = RuleFile(Path("x.yaml"), "order", ("created",), (), S, (rule,))
    states = [
        PartitionState("s", "payments", "p", 0, 0, 0, complete_to=100 * S, seen_from=0),
        PartitionState("s", "paylater", "q", 0, 0, 0, complete_to=100 * S, seen_from=0),
    ]
    seen = Clocks.of([SOURCE]).sight(states, ())
    at = 50
    (out,) = judge(flows(False)[0], [event("payments", "paid", at, flows(False)[0])], file, seen)
    (kept,) = judge(flows(True)[0], [event("payments", "paid", at, flows(True)[0])], file, seen)
    assert (out.state, kept.state) == ("partial", "unbegun")


def test_of_a_file_what_is_left_out_of_one_topic_is_unknown(tmp_path: Path) -> None:
    """Its topics stand in its lines: for completeness it is one."""
    (tmp_path / "order.yaml").write_text(
        "version: 1\nflow: order\nbegins: created\nexpectations:\n"
        "  - {name: paid, after: created, expect: paid, within: 10s}\n"
    )
    lines = [
        happened(number, name, flow, topic=topic)
        for number, flow in enumerate([*flows(True)[:5], *flows(False)[:5]])
        for name, topic in (("created", "orders"), ("paid", "payments"))
    ]
    paid = [line["correlation_id"] for line in lines][:10:4]
    some = [e for e in lines if e["name"] == "created" or e["correlation_id"] in paid]
    write_events(tmp_path / "[events].jsonl", [*some, happened(900, "ticked")])
    watch(tmp_path / "[events].jsonl", [tmp_path], tmp_path / "store.duckdb",
          topics={"payments": {"sample": SHARE}})  # fmt: skip
    store = Store(tmp_path / "store.duckdb", read_only=True)
    with store.reader() as cursor:
        found = {row.correlation_id for row, _ in findings(cursor, "")}
    store.close()
    assert found == {*flows(True)[:5]} - {*paid}
