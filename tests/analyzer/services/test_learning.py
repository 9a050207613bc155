"""Who runs which step is learned from when; what cannot be told apart is not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from analyzer.services import flows
from analyzer.services.learned import Learned
from analyzer.services.learning import learn
from analyzer.services.progress import Progress
from tests.analyzer.services.bus import Bus, Consumer, orders

LAGS = ((60.0, 90.0), (150.0, 180.0), (240.0, 270.0))
END = 400.0


def pay(**more: object) -> Consumer:
    """It takes A and brings out B."""
    found = Consumer("payment", ("A",), {"A": ("B",)}, down=LAGS)
    return replace(found, **more)  # type: ignore[arg-type]


def learned_of(bus: Bus, until: float = END, flows: int = 600) -> dict[tuple[str, ...], Learned]:
    orders(bus, flows)
    bus.run(until)
    found = learn(bus.sightings(until), bus.progress(until)).learned
    return {(one.group, one.consumes, one.emits): one for one in found}


def test_where_a_group_lags_what_it_brings_out_is_as_late_and_that_tells() -> None:
    bus = Bus([pay(), Consumer("audit", ("A",)), Consumer("analytics", ("A",), commits_every=5)])
    found = learned_of(bus)
    assert found.keys() == {("payment", "A", "B")}
    one = found["payment", "A", "B"]
    assert (one.confidence, one.confused_with, one.against) == ("likely", (), 0)
    assert one.cases_for > 50
    assert one.undecided > one.cases_for


def test_groups_that_all_keep_up_cannot_be_told_apart() -> None:
    bus = Bus([pay(down=()), Consumer("audit", ("A",)), Consumer("analytics", ("A",))])
    found = learned_of(bus)
    assert {key[0] for key in found} == {"payment", "audit", "analytics"}
    for (group, _, _), one in found.items():
        assert (one.confidence, one.cases_for, one.against) == ("possible", 0, 0)
        assert {*one.confused_with, group} == {"payment", "audit", "analytics"}


def test_where_very_many_fit_none_is_told_of() -> None:
    lookers = [Consumer(f"looks-on-{n}", ("A",), down=LAGS[: n % 2]) for n in range(22)]
    assert learned_of(Bus([pay(down=()), *lookers[::2]])) == {}
    # Of those that lag all that reads is told apart.
    found = learned_of(Bus([pay(), *lookers]))
    assert found.keys() == {("payment", "A", "B")}
    assert found["payment", "A", "B"].confidence == "likely"


def test_the_only_group_that_reads_it_is_possible_while_nothing_tells() -> None:
    found = learned_of(Bus([pay(down=())]))
    one = found["payment", "A", "B"]
    assert (one.confidence, one.confused_with) == ("possible", ())
    assert (one.cases_for, one.undecided) == (0, 600)


def test_groups_that_are_down_together_are_told_as_confused() -> None:
    bus = Bus([pay(), Consumer("twin", ("A",), down=LAGS)])
    found = learned_of(bus)
    assert {key: (one.confidence, one.confused_with) for key, one in found.items()} == {
        ("payment", "A", "B"): ("possible", ("twin",)),
        ("twin", "A", "B"): ("possible", ("payment",)),
    }


def test_lags_of_its_own_part_those_that_are_down_together_otherwise() -> None:
    alone = (200.0, 210.0)
    bus = Bus([pay(down=(*LAGS, alone)), Consumer("twin", ("A",), down=LAGS)])
    found = learned_of(bus)
    # A few against so many for it are too few to say that it is not.
    assert 0 < found["twin", "A", "B"].against < found["twin", "A", "B"].cases_for / 8
    assert found["payment", "A", "B"].confused_with == ("twin",)
    bus = Bus([pay(), Consumer("twin", ("A",), down=LAGS[:1])])
    found = learned_of(bus)
    assert found.keys() == {("payment", "A", "B")}
    assert found["payment", "A", "B"].confidence == "likely"


def test_a_group_that_was_down_while_its_event_had_long_come_out_is_not_it() -> None:
    bus = Bus([pay(down=()), Consumer("audit", ("A",), down=LAGS)])
    found = learned_of(bus)
    assert found.keys() == {("payment", "A", "B")}
    # It keeps up all the time: that it is nobody else is all that is known.
    assert found["payment", "A", "B"].confidence == "possible"


CHAIN = [
    Consumer("payment", ("A",), {"A": ("B",)}, down=LAGS),
    Consumer("stock", ("B",), {"B": ("C",)}),
    Consumer("shipping", ("C",), {"C": ("D",)}),
]


def test_what_comes_of_what_it_brought_out_is_not_its_own() -> None:
    found = learned_of(Bus(list(CHAIN)))
    assert found.keys() == {("payment", "A", "B"), ("stock", "B", "C"), ("shipping", "C", "D")}
    assert found["payment", "A", "B"].confidence == "likely"


@pytest.mark.parametrize("lagging", ["payment", "stock", "shipping"])
def test_nor_whichever_of_the_chain_lags(lagging: str) -> None:
    chain = [replace(one, down=LAGS if one.group == lagging else ()) for one in CHAIN]
    found = learned_of(Bus(chain))
    assert found.keys() == {("payment", "A", "B"), ("stock", "B", "C"), ("shipping", "C", "D")}
    assert {one.group for one in found.values() if one.confidence == "likely"} == {lagging}


@pytest.mark.parametrize("lagging", ["payment", "stock", "shipping"])
def test_nor_where_everybody_reads_one_topic(lagging: str) -> None:
    chain = [
        replace(one, topics=("all",), down=LAGS if one.group == lagging else ()) for one in CHAIN
    ]
    found = learned_of(Bus(chain, where=dict.fromkeys("ABCD", "all")))
    (own,) = [one for key, one in found.items() if key[0] == lagging and one.cases_for]
    assert (lagging, own.emits) in {(one.group, *next(iter(one.makes.values()))) for one in CHAIN}
    assert own.confused_with == ()
    # It lags with all that it reads: of which of these it is nothing tells, but that one is nearer.
    assert (own.confidence, own.or_of) == {
        "payment": ("likely", ()), "stock": ("possible", ("A",)),
        "shipping": ("possible", ("A", "B")),
    }[lagging]  # fmt: skip
    # Of the others nothing tells who of those that keep up it is, but never a step too far.
    assert {key[1:] for key in found} == {("A", "B"), ("B", "C"), ("C", "D")}
    assert all(one.confused_with for one in found.values() if one is not own)


def test_where_those_before_it_lag_as_well_it_is_told_of_which_event_it_is() -> None:
    chain = [
        replace(CHAIN[0], topics=("all",), down=LAGS[:2]),
        replace(CHAIN[1], topics=("all",), down=((110.0, 140.0), (200.0, 230.0))),
        Consumer("audit", ("all",)),
    ]
    found = learned_of(Bus(chain, where=dict.fromkeys("ABC", "all")))
    assert {key: (one.confidence, one.or_of) for key, one in found.items()} == {
        ("payment", "A", "B"): ("likely", ()),
        ("stock", "B", "C"): ("likely", ()),
    }


def test_two_answers_to_one_event_are_both_its_own() -> None:
    bus = Bus([pay(makes={"A": ("B", "N")}), Consumer("audit", ("A",))])
    found = learned_of(bus)
    assert found.keys() == {("payment", "A", "B"), ("payment", "A", "N")}
    assert {one.confidence for one in found.values()} == {"likely"}


def test_what_comes_before_an_event_as_well_as_after_does_not_come_of_it() -> None:
    """Both read A, from one topic; which of them is first is chance."""
    bus = Bus(
        [
            Consumer("payment", ("all",), {"A": ("B",)}, down=LAGS),
            Consumer("stock", ("all",), {"A": ("C",)}, down=((110.0, 140.0), (200.0, 230.0))),
        ],
        where=dict.fromkeys("ABC", "all"),
    )
    found = learned_of(bus)
    assert found.keys() == {("payment", "A", "B"), ("stock", "A", "C")}
    assert {one.confidence for one in found.values()} == {"likely"}


def test_what_is_only_now_and_then_between_is_not_needed() -> None:
    bus = Bus([pay(), Consumer("viewer", ("V",))])
    for n in range(0, 600, 10):
        bus.publish(5.01 + n * 0.5, "V", f"f{n}")
    found = learned_of(bus)
    assert found.keys() == {("payment", "A", "B")}


def test_an_event_may_come_of_one_of_several() -> None:
    """A mail is sent of what was shipped, and of what was cancelled."""
    even, odd = (frozenset(f"f{n}" for n in range(start, 600, 2)) for start in (0, 1))
    bus = Bus(
        [
            Consumer("a", ("all",), {"A": ("shipped",)}, only=even),
            Consumer("b", ("all",), {"A": ("gone",)}, only=odd),
            Consumer("mail", ("all",), {"shipped": ("M",), "gone": ("M",)}, down=LAGS),
        ],
        where=dict.fromkeys(("A", "shipped", "gone", "M"), "all"),
    )  # fmt: skip
    found = learned_of(bus)
    assert {key for key in found if key[0] == "mail"} == {
        ("mail", "shipped", "M"), ("mail", "gone", "M")
    }  # fmt: skip
    told = {(one.confidence, one.or_of) for key, one in found.items() if key[0] == "mail"}
    assert told == {("possible", ("A",))}
    assert ("a", "A", "M") not in found


def test_nobody_is_learned_where_nobody_was_seen_to_commit() -> None:
    bus = Bus([pay()])
    orders(bus, 600)
    bus.run(END)
    assert learn(bus.sightings(), Progress([], [])).learned == ()


def test_a_few_cases_are_not_told_of() -> None:
    assert learned_of(Bus([pay()]), flows=4) == {}


def test_one_short_lag_is_not_enough_to_be_likely() -> None:
    bus = Bus([pay(down=((60.0, 70.0),)), Consumer("audit", ("A",))])
    found = learned_of(bus)
    assert found["payment", "A", "B"].confidence == "possible"
    assert found["payment", "A", "B"].cases_for > 0


def test_what_is_always_answered_long_after_it_was_read_is_not_learned() -> None:
    """It cannot be told from what somebody else does by the clock."""
    assert learned_of(Bus([pay(then=20.0, down=())])) == {}


def test_a_late_answer_now_and_then_says_nothing() -> None:
    bus = Bus([pay(only=frozenset(f"f{n}" for n in range(600) if n % 100))])
    for n in range(0, 600, 100):
        bus.publish(5 + n * 0.5 + 40, "B", f"f{n}")
    one = learned_of(bus)["payment", "A", "B"]
    assert 0 < one.against <= 6
    assert one.confidence == "likely"


def test_what_was_tried_again_in_between_says_nothing() -> None:
    """Of one in ten the answer comes by way of a retry, half a minute later."""
    late = frozenset(f"f{n}" for n in range(0, 600, 10))
    rest = frozenset(f"f{n}" for n in range(600)) - late
    bus = Bus([pay(down=(), only=rest), Consumer("audit", ("A",), down=LAGS)])
    for flow in sorted(late):
        began = 5 + int(flow[1:]) * 0.5
        bus.publish(began + 0.1, "A-retry", flow)
        bus.publish(began + 30, "B", flow)
    orders(bus, 600)
    bus.run(END)
    seen, progress = bus.sightings(), bus.progress(END)
    (one,) = learn(seen, progress, {"A-retry"}).learned
    assert (one.group, one.against, one.undecided) == ("payment", 0, len(rest))
    assert "B" not in {one.emits for one in learn(seen, progress).learned}


def test_commits_that_trail_far_behind_still_tell() -> None:
    """A lag has to be longer than commits are late."""
    down = ((60.0, 130.0), (200.0, 270.0))
    audit = Consumer("audit", ("A",), commits_every=10)
    found = learned_of(Bus([pay(commits_every=15, down=down), audit], looks_every=5))
    assert found["payment", "A", "B"].cases_for > 0
    assert found["payment", "A", "B"].against == 0
    assert ("audit", "A", "B") not in found


def test_a_group_that_works_slowly_through_its_queue_is_told_by_it() -> None:
    bus = Bus([pay(down=(), takes=1.1), Consumer("audit", ("A",))], partitions=2)
    found = learned_of(bus, until=380.0)
    assert found.keys() == {("payment", "A", "B")}
    assert found["payment", "A", "B"].confidence == "likely"


def test_copies_are_one_event() -> None:
    bus = Bus([pay()])
    orders(bus, 600)
    bus.run(END)
    seen = bus.sightings()
    copies = [one._replace(offset=one.offset + 10_000) for one in seen if one.name == "B"]
    progress = bus.progress(END)
    assert learn([*seen, *copies], progress).learned == learn(seen, progress).learned


@pytest.mark.parametrize("seed", range(5))
def test_in_whatever_order_events_come_the_same_is_learned(seed: int) -> None:
    bus = Bus([*CHAIN, Consumer("audit", ("A", "B"))], seed=seed)
    orders(bus, 300)
    bus.run(200)
    seen, progress = bus.sightings(), bus.progress(200)
    lesson = learn(seen, progress)
    assert lesson.learned
    for _ in range(3):
        random.Random(seed).shuffle(seen)
        assert learn(seen, progress) == lesson


def test_of_many_flows_those_are_looked_at_in_which_something_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long ago that was among them."""
    bus = Bus([pay(down=((20.0, 150.0),)), Consumer("audit", ("A",))])
    orders(bus, 600)
    bus.run(END)
    seen, progress = bus.sightings(), bus.progress(END)
    monkeypatch.setattr(flows, "MOST_PAIRS", 600)
    lesson = learn(seen, progress)
    assert lesson.flows == 200
    (one,) = lesson.learned
    assert (one.group, one.cases_for > 90, one.undecided >= 100) == ("payment", True, True)
    random.Random(1).shuffle(seen)
    assert learn(seen, progress) == lesson
