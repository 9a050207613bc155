"""What a step took in against what it brought out, against a naive count over random logs."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from analyzer.rules.services import Service
from analyzer.services.balance import MINUTE, Balance, Balances, Told, balance
from analyzer.services.progress import Progress
from analyzer.services.sighting import Sighting
from analyzer.sight import Sample, Sight
from collector.batch import Gap, PartitionState
from collector.consumers.observation import CommitRow, GroupRow, WatchRow
from tests.analyzer.services.bus import SOURCE, START, Bus, Consumer, orders, us

PAYMENT = Service("payment", ("payment",), ("A",), ("B", "N"))
WORDS = ("answered", "waiting", "in_work", "put_away", "unaccounted", "unknown")


def words(found: Balance) -> dict[str, int]:
    return {word: n for word in WORDS if (n := getattr(found, word))}


def event(seconds: float, name: str, *flows: str, offset: int = 0, id: str = "id") -> Sighting:
    return Sighting(SOURCE, "t", id, 0, offset, us(seconds), name, flows)


def commit(seconds: float, offset: int, group: str = "payment", id: str = "id") -> CommitRow:
    return CommitRow(us(seconds), SOURCE, group, "t", id, 0, offset, us(seconds),
                     us(seconds - 1), 100, None)  # fmt: skip


def told(
    events: list[Sighting], commits: list[CommitRow], until: float = 100, *,
    watched: tuple[str, ...] = ("*",), groups: tuple[GroupRow, ...] = (), **sight: Any,
) -> Told:  # fmt: skip
    state = PartitionState(SOURCE, "t", "id", 0, 1, 0, complete_to=us(until), seen_from=START)
    watch = WatchRow(SOURCE, START, us(until), 1_000_000, watched)
    return Told(events, Progress(commits, [watch], groups), Sight([state], **sight))


def of(found: Told, service: Service = PAYMENT) -> dict[str, int]:
    return words(balance(service, found, START).total)


def test_each_event_is_one_of_these() -> None:
    events = [
        event(1, "A", "answered", offset=0), event(2, "A", "declined", offset=1),
        event(3, "A", "lost", offset=2), event(4, "A", "just read", offset=3),
        event(5, "A", "waiting", offset=4), event(90, "B", "answered"),
        event(91, "N", "declined"),
    ]  # fmt: skip
    commits = [commit(0, 0), commit(20, 3), commit(97, 4)]
    assert of(told(events, commits)) == {
        "answered": 2, "unaccounted": 1, "in_work": 1, "waiting": 1
    }  # fmt: skip
    total = balance(PAYMENT, told(events, commits), START).total
    assert (total.came, total.consumed) == (5, 4)


def test_what_is_answered_counts_before_it_is_committed() -> None:
    events = [event(1, "A", "x"), event(2, "B", "x")]
    assert of(told(events, [commit(0, 0)])) == {"answered": 1}


def test_what_came_before_it_is_no_answer_but_by_clocks_that_differ() -> None:
    before = [event(3, "A", "x"), event(2, "B", "x")]
    commits = [commit(0, 0), commit(4, 1)]
    assert of(told(before, commits)) == {"unaccounted": 1}
    assert of(told(before, commits, skews={SOURCE: 1_000_000})) == {"answered": 1}


def test_a_batch_is_answered_in_any_of_its_flows() -> None:
    events = [event(1, "A", "x", "y"), event(2, "B", "y")]
    assert of(told(events, [commit(0, 0), commit(4, 1)])) == {"answered": 1}


def test_where_nothing_has_to_come_out_what_is_committed_is_answered() -> None:
    events = [event(1, "A", "x", offset=0), event(2, "A", "y", offset=1)]
    service = Service("audit", ("audit",), ("A",), ())
    commits = [commit(0, 0, "audit"), commit(4, 1, "audit")]
    assert of(told(events, commits), service) == {"answered": 1, "waiting": 1}


def test_what_cannot_be_told_is_unknown_and_never_unaccounted() -> None:
    lost, commits = [event(1, "A", "x")], [commit(0, 0), commit(4, 1)]
    gap = Gap(SOURCE, "t", "id", 0, 0, 1, "retention", us(2), us(3))
    assert of(told(lost, commits)) == {"unaccounted": 1}
    assert of(told(lost, commits, gaps=[gap])) == {"unknown": 1}
    assert of(told([event(1, "A")], commits)) == {"unknown": 1}
    sampled = {SOURCE: [Sample("t", 0.0)]}
    assert of(told(lost, commits, samples=sampled)) == {"unknown": 1}
    assert of(told(lost, [], watched=("other",))) == {"unknown": 1}
    denied = GroupRow(us(1), SOURCE, "payment", "", "Unknown", None, us(1), "grant DESCRIBE")
    assert of(told(lost, [], groups=(denied,))) == {"unknown": 1}
    # It was committed on a topic of that name which is no more, or is now.
    assert of(told(lost, [commit(4, 1, id="another")])) == {"unknown": 1}
    assert of(told(lost, [])) == {"waiting": 1}


def test_copies_among_dead_letters_and_retries_are_neither_taken_in_nor_answers() -> None:
    events = [
        event(1, "A", "x", offset=0), event(2, "A", "x")._replace(topic="t.DLT", topic_id="dlt"),
        event(1, "A", "y", offset=1), event(2, "A", "y")._replace(topic="t-retry", topic_id="r"),
        event(9, "B", "y"), event(1, "A", "z", offset=2),
        event(9, "B", "z")._replace(topic="t.DLT", topic_id="dlt"),
        event(9, "A", "late", offset=3),
        event(1, "A", "late")._replace(topic="t.DLT", topic_id="dlt"),
    ]  # fmt: skip
    found = told(events, [commit(0, 0), commit(10, 9)])
    found = replace(found, letters=frozenset(("t.DLT", "t-retry")))
    assert of(found) == {"put_away": 2, "answered": 1, "unaccounted": 1}


def test_of_several_groups_one_is_enough() -> None:
    service = Service("payment", ("payment", "demo.payment"), ("A",), ("B",))
    lost = [event(1, "A", "x")]
    assert of(told(lost, [commit(0, 0), commit(4, 1)]), service) == {"unaccounted": 1}
    assert of(told(lost, [commit(0, 0)]), service) == {"waiting": 1}
    seen = told(lost, [commit(0, 0)], watched=("payment",))
    assert of(seen, service) == {"waiting": 1}


def test_only_what_happened_since_is_counted_and_by_its_minute() -> None:
    events = [event(60 * n, "A", f"x{n}", offset=n) for n in range(4)]
    found = balance(PAYMENT, told(events, [commit(0, 0)], 400), us(60))
    assert words(found.total) == {"waiting": 3}
    assert [words(one) for one in found.minutes.values()] == [{"waiting": 1}] * 3
    assert all(minute % MINUTE == 0 for minute in found.minutes)


@pytest.mark.parametrize("seed", range(8))
def test_a_naive_count_comes_to_the_same(seed: int) -> None:
    chance = random.Random(seed)
    down = tuple((s, s + chance.uniform(1, 40)) for s in (30.0, 90.0))
    bus = Bus(
        [Consumer("payment", ("A",), {"A": ("B",)}, down=down, share=0.8,
                  takes=chance.choice((0, 0.4)), commits_every=chance.choice((1, 5)))],
        seed=seed, looks_every=chance.choice((1, 3)),
    )  # fmt: skip
    orders(bus, 300)
    until = chance.uniform(60, 160)
    bus.run(until)
    seen = bus.sightings()
    complete = us(until - 2)
    state = PartitionState(SOURCE, "t", "id", 0, 1, 0, complete_to=complete, seen_from=START)
    progress = bus.progress(until)
    chance.shuffle(seen)
    found = balance(PAYMENT, Told(seen, progress, Sight([state])), START)
    assert words(found.total) == naive(bus, until, complete)
    adds_up(found, sum(one.name == "A" for one in seen))


def naive(bus: Bus, until: float, complete: int) -> dict[str, int]:
    """Each order by itself: what was committed at which of the looks."""
    (consumer,) = bus.consumers
    events = bus.sightings()
    out = {one.flows[0] for one in events if one.name == "B"}
    looks = [n * bus.looks_every for n in range(int(until / bus.looks_every) + 1)]
    found: Counter[str] = Counter()
    for place, log in bus.logs.items():
        if place.topic != "A":
            continue
        for one in log:
            passed = [at for at in looks if bus.committed(consumer, place, at) > one.offset]
            if one.flows[0] in out:
                found["answered"] += 1
            elif not passed:
                found["waiting"] += 1
            elif us(passed[0]) + 5_000_000 >= complete:
                found["in_work"] += 1
            else:
                found["unaccounted"] += 1
    assert found["answered"]
    return dict(found)


def adds_up(found: Balances, came: int) -> None:
    total = found.total
    assert total.came == came == total.consumed + total.waiting + total.unknown
    assert total.consumed == total.answered + total.in_work + total.put_away + total.unaccounted
    for word in (*WORDS, "came", "consumed"):
        assert sum(getattr(one, word) for one in found.minutes.values()) == getattr(total, word)
