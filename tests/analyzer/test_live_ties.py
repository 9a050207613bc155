"""The live cache where keys tie: flows that are joined, parted and read back."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from analyzer.finding import Finding
from analyzer.kinds.after_expect import AfterExpect
from analyzer.kinds.after_never import AfterNever
from analyzer.kinds.count import once
from analyzer.rules.rule import Options
from analyzer.rules.ruleset import RuleFile
from collector.event import Event
from collector.ties import MOST_CARRIERS
from tests.analyzer.test_properties import LAST, TYING, S, Watcher, settled, sight_at

PAID = AfterExpect(Options(name="paid", version="1"), ("made",), (("paid",),), 10 * S)
ONCE = AfterNever(Options(name="paid once", version="1"), ("paid",), ("paid",), None, ())
FILE = RuleFile(Path("p.yaml"), "p", ("made",), ("end",), None, (PAID, ONCE))


def at(seconds: int, name: str, ids: Sequence[str] = (), **keys: str) -> Event:
    moment = seconds * S
    return Event("s", "t", "t", 0, seconds, moment, moment, name, tuple(ids), None,
                 tuple(keys.items()))  # fmt: skip


def told(*batches: tuple[int, Sequence[Event]], hot_flows: int = 100) -> list[Finding]:
    """What stands in the end, each batch with the moment it is complete to; checked by the set."""
    watcher = Watcher(FILE, hot_flows, 0, TYING)
    for complete, events in batches:
        watcher.take(events, sight_at(complete * S))
    final = sight_at((LAST + 30) * S)
    watcher.take([], final)
    log = [event for _, events in batches for event in events]
    assert watcher.told == settled(FILE, log, final, TYING)
    return sorted(watcher.told.values(), key=lambda f: (f.flow, f.expectation))


def said(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.flow, finding.expectation) for finding in found]


def test_an_event_that_lost_its_id_is_found_by_its_key() -> None:
    made, paid = at(1, "made", ["x"], order="1"), at(2, "paid", order="1")
    assert said(told((5, [made, paid]))) == []
    assert said(told((5, [paid]), (6, [made]))) == []
    assert said(told((20, [made]), (30, [paid]))) == []


def test_without_the_key_it_is_missing() -> None:
    assert said(told((5, [at(1, "made", ["x"], order="1"), at(2, "paid", order="2")]))) == [
        ("x", "paid")
    ]


def test_a_flow_that_was_let_go_of_comes_back_when_it_is_joined() -> None:
    settled_y = [at(1, "made", ["y"]), at(2, "paid", ["y"], order="1")]
    waits = at(20, "made", ["x"])
    # By then y is no longer in memory, and x still is.
    found = told((18, settled_y), (21, [waits]), (23, [at(22, "paid", ["x"], order="1")]),
                 hot_flows=1)  # fmt: skip
    assert said(found) == [("x", "paid once")]


def test_a_batch_event_of_flows_that_are_joined_is_in_them_once() -> None:
    rule = once(Options(name="once", version="1"), ("paid",), ("made",), 10 * S)
    file = RuleFile(Path("p.yaml"), "p", ("made",), ("end",), None, (rule,))
    log = [at(1, "made", ["x"]), at(2, "paid", ["x", "y"])]
    joining = [at(4, "other", ["x"], order="1"), at(5, "other", ["y"], order="1")]
    final = sight_at((LAST + 30) * S)
    watcher = Watcher(file, 100, 0, TYING)
    watcher.take(log, sight_at(3 * S))
    watcher.take(joining, final)
    assert watcher.told == settled(file, [*log, *joining], final, TYING) == {}


def test_an_event_in_two_flows_by_two_keys_is_found_wrong_in_both() -> None:
    file = RuleFile(Path("p.yaml"), "p", (), (), 100 * S, (PAID,))
    log = [at(1, "else", ["x"], order="1"), at(2, "else", ["y"], payment="9"),
           at(3, "made", order="1", payment="9")]  # fmt: skip
    tying = {"s": frozenset({"order", "payment"})}
    final = sight_at((LAST + 30) * S)
    watcher = Watcher(file, 100, 0, tying)
    watcher.take(log, final)
    assert sorted(f.flow for f in watcher.told.values()) == ["x", "y"]
    assert watcher.told == settled(file, log, final, tying)


def test_a_finding_keeps_its_id_when_its_flow_is_joined_and_renamed() -> None:
    watcher = Watcher(FILE, 100, 0, TYING)
    watcher.take([at(1, "made", ["y"], order="1")], sight_at(20 * S))
    ((id, before),) = watcher.told.items()
    watcher.take([at(21, "other", ["x"], order="1")], sight_at(22 * S))
    assert watcher.told[id].flow == "x"
    assert before.flow == "y"
    assert watcher.retracted == set()


def test_a_value_that_ties_too_many_gives_back_what_it_had_tied() -> None:
    log = [at(1, "made", ["b00"], order="1"), at(2, "paid", ["b01"], order="1"),
           at(3, "made", ["a99"]), at(4, "paid", order="1")]  # fmt: skip
    more = [at(10 + n, "other", [f"b{n:02}"], order="1") for n in range(2, MOST_CARRIERS)]
    one = at(30, "other", ["a99"], order="1")
    assert said(told((5, log), (20, more))) == [("a99", "paid"), ("b00", "paid once")]
    # The eleventh: a payment of its own is left to b01, and b00 has none any more.
    parted = [("a99", "paid"), ("b00", "paid")]
    assert said(told((5, log), (20, more), (40, [one]))) == parted
    assert said(told((5, [*log, *more, one]))) == parted
    assert said(told((5, log), (20, more), (40, [one]), hot_flows=0)) == parted


@pytest.mark.parametrize("hot_flows", [0, 100])
def test_what_changed_hands_is_told_as_it_stands(hot_flows: int) -> None:
    log = [at(1, "made", ["c"], order="1"), at(2, "other", ["b"], order="1")]
    others = [at(30 + n, "other", [f"d{n:02}"], order="1") for n in range(MOST_CARRIERS - 1)]
    found = told((20, log), (50, others), hot_flows=hot_flows)
    assert said(found) == [("c", "paid")]
