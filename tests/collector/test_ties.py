"""Tying is a function of the set of events: whatever the order and the batches they come in."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.event import Event
from collector.ties import MOST_CARRIERS, Key, Ties, tied_flows
from tests.examples import examples

TYING = {"s": frozenset({"order", "payment"})}


def event(ids: Sequence[str] = (), *, offset: int = 0, source: str = "s", **keys: str) -> Event:
    return Event(source, "t", "t", 0, offset, offset, offset, "e", tuple(ids), None,
                 tuple(keys.items()))  # fmt: skip


def flows_of(events: Sequence[Event]) -> dict[str, tuple[tuple[str, ...], list[int]]]:
    """Name to correlation IDs and offsets."""
    found = tied_flows(events, TYING)
    return {name: (f.ids, sorted(e.offset for e in f.events)) for name, f in found.items()}


def numbered(*events: Event) -> list[Event]:
    for number, one in enumerate(events):
        one.offset = number
    return list(events)


def test_ids_that_carry_one_value_are_one_flow_named_by_the_first_of_them() -> None:
    log = numbered(event(["b"], order="1"), event(["a"], order="1"), event(["c"], order="2"))
    assert flows_of(log) == {"a": (("a", "b"), [0, 1]), "c": (("c",), [2])}


def test_flows_are_joined_through_each_other() -> None:
    log = numbered(event(["a"], order="1"), event(["b"], order="1", payment="9"),
                   event(["c"], payment="9"))  # fmt: skip
    assert flows_of(log) == {"a": (("a", "b", "c"), [0, 1, 2])}


def test_an_event_without_an_id_is_in_the_flow_that_carries_its_key() -> None:
    log = numbered(event(order="1"), event(["a"], order="1"), event(order="2"))
    assert flows_of(log) == {"a": (("a",), [0, 1])}


def test_an_event_without_an_id_joins_no_flows_by_two_keys_and_is_in_both() -> None:
    log = numbered(
        event(["a"], order="1"), event(["b"], payment="9"), event(order="1", payment="9")
    )
    assert flows_of(log) == {"a": (("a",), [0, 2]), "b": (("b",), [1, 2])}


def test_a_batch_event_joins_no_flows_and_is_also_where_its_key_leads() -> None:
    log = numbered(event(["a", "b"], order="1"), event(["c"], order="1"), event(["d"]))
    assert flows_of(log) == {
        "a": (("a",), [0]), "b": (("b",), [0]), "c": (("c",), [0, 1]), "d": (("d",), [2]),
    }  # fmt: skip


def test_keys_that_do_not_tie_and_those_of_another_source_join_nothing() -> None:
    log = numbered(event(["a"], customer="1"), event(["b"], customer="1"),
                   event(["c"], source="z", order="1"),
                   event(["d"], source="z", order="1"))  # fmt: skip
    assert set(flows_of(log)) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("ids", [MOST_CARRIERS, MOST_CARRIERS + 1])
def test_a_value_of_more_than_ten_ids_ties_none_of_them(ids: int) -> None:
    carriers = [event([f"{n:02}"], order="1") for n in range(ids)]
    log = numbered(event(order="1"), *carriers)
    if ids == MOST_CARRIERS:
        assert list(flows_of(log)) == ["00"]
        assert flows_of(log)["00"][1] == list(range(ids + 1))
    else:
        assert flows_of(log) == {f"{n:02}": ((f"{n:02}",), [n + 1]) for n in range(ids)}


def test_a_value_of_too_many_ids_leaves_what_others_tie() -> None:
    log = numbered(*(event([f"{n:02}"], order="1") for n in range(MOST_CARRIERS + 1)),
                   event(["00"], payment="9"), event(["05"], payment="9"))  # fmt: skip
    assert flows_of(log)["00"][0] == ("00", "05")
    assert len(flows_of(log)) == MOST_CARRIERS


IDS = [f"{n:02}" for n in range(14)]
one_id = st.sampled_from(IDS).map(lambda id: [id])
some_ids = st.lists(st.sampled_from(IDS), max_size=3, unique=True)
some_keys = st.dictionaries(
    st.sampled_from(("order", "payment", "customer")), st.sampled_from(("1", "2", "3")), max_size=2
)
logs = st.lists(
    st.builds(
        lambda ids, keys: event(ids, **keys),
        st.one_of(one_id, one_id, one_id, some_ids),
        # Often one value, so that its bound is crossed, early or late.
        st.one_of(st.just({"order": "1"}), some_keys),
    ),
    max_size=40,
).map(lambda events: numbered(*events))
CROSSING = numbered(event(order="1"), *(event([id], order="1") for id in IDS[:11]),
                    event([IDS[0]], payment="1"), event([IDS[3]], payment="1"))  # fmt: skip


def told(ties: Ties, events: Sequence[Event]) -> dict[str, tuple[tuple[str, ...], list[int]]]:
    members: dict[str, list[int]] = {}
    for one in events:
        for flow in ties.flows(one):
            members.setdefault(flow, []).append(one.offset)
    return {name: (tuple(ties.ids(name)), sorted(found)) for name, found in members.items()}


@settings(max_examples=examples(150))
@given(logs, st.data())
@example(CROSSING, None)
def test_any_order_and_any_batches_give_the_flows_of_the_set(log, data) -> None:
    ties = Ties(TYING)
    rest = log if data is None else data.draw(st.permutations(log), "arrival")
    seen: list[Event] = []
    while rest:
        size = 1 if data is None else data.draw(st.integers(1, len(rest)), "batch")
        before = told(ties, seen)
        retied = ties.add(rest[:size])
        # What it does not name as changed has not changed, for the events known before.
        after = told(ties, seen)
        assert {n for n in before if after.get(n) != before[n]} <= retied.before
        assert {n for n in after if after[n] != before.get(n)} <= {
            ties.flow(n) for n in retied.before
        } | retied.anew
        # And what is not anew is the sum of what was.
        for name in {ties.flow(n) for n in retied.before} - retied.anew:
            parts = [n for n in retied.before if ties.flow(n) == name]
            known = {offset for part in parts for offset in before.get(part, ((), []))[1]}
            assert known == set(after.get(name, ((), []))[1])
        seen += rest[:size]
        rest = rest[size:]
        assert told(ties, seen) == flows_of(seen)
        for name in told(ties, seen):
            carried = {k for e in seen if e.correlation_ids[1:] == () != e.correlation_ids
                       for k in e.keys if ties.flow(e.correlation_ids[0]) == name
                       and k[0] in TYING["s"] and k not in ties.common}  # fmt: skip
            assert set(ties.keys(name)) == carried
    joined = {id: name for name, (ids, _) in flows_of(log).items() if len(ids) > 1 for id in ids}
    assert ties.joined() == joined


def test_what_is_known_already_changes_nothing() -> None:
    log = numbered(event(order="1"), event(["a"], order="1"), event(["b"], order="1"))
    ties = Ties(TYING)
    ties.add(log)
    again = ties.add(log)
    assert not again.before
    assert not again.anew


def test_a_value_of_too_many_ids_is_named() -> None:
    ties = Ties(TYING)
    ties.add([event([f"{n}"], order="1", payment="x") for n in range(MOST_CARRIERS)])
    assert ties.common == set()
    ties.add([event(["more"], order="1")])
    common: set[Key] = {("order", "1")}
    assert ties.common == common
