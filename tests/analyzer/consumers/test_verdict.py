"""Verdicts on consumers, over the table of cases."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from analyzer.consumers.course import Commit, Course, Ends, State, courses
from analyzer.consumers.verdict import LOOKED_AT, verdict
from collector.consumers.history import History, Rows
from collector.consumers.observation import (
    End,
    ExactCommit,
    GroupState,
    Known,
    Look,
    Place,
    WatchRow,
)
from collector.times import US_PER_S
from tests.analyzer.consumers.acted import act
from tests.examples import examples

CASES: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("verdicts.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_the_table_of_cases(case: dict[str, Any]) -> None:
    acted = act(case)
    wrong, told = [], 0
    for second in acted.moments:
        course = acted.course(second)
        assert course is not None
        found = verdict(course)
        for start, stop, word in case["said"]:
            if start <= second <= stop:
                told += 1
                if found.word != word:
                    wrong.append((second, word, found))
    assert wrong == []
    assert told >= len(case["said"])
    if "since" in case:
        low, high = (moment * US_PER_S for moment in case["since"])
        assert low <= found.since <= high, found


RATES = st.lists(st.integers(0, 400), min_size=3, max_size=12)


@settings(max_examples=examples(30))
@example([0, 0, 10], 1, 1.5, 1)
@given(RATES, st.sampled_from([1, 3, 5, 8]), st.floats(0, 5), st.integers(0, 2))
def test_whoever_reads_faster_than_anything_comes_is_fine(
    rates: list[int], commit_every: int, phase: float, markers: int
) -> None:
    """Whatever comes how fast for 20 s each, and however commits and looks fall together."""
    until = 20 * len(rates)
    produce = [[20 * n, 20 * n + 20, rate] for n, rate in enumerate(rates)]
    case = {
        "until": until, "produce": produce, "consume": [[0, until, 800]], "phase": phase,
        "commit_every": commit_every, "markers": markers,
    }  # fmt: skip
    acted = act(case)
    for second in acted.moments:
        course = acted.course(second)
        assert course is not None
        assert verdict(course).word == "ok", (second, verdict(course))


@settings(max_examples=examples(30))
@example(4.9, 2.5, 20, 500)
@example(14.7, 0.5, 20, 2_000)
@given(
    st.sampled_from([0.7, 1.1, 2.3, 4.7, 4.9, 5.1, 5.3, 6.1, 7.3, 9.7, 11, 14.7]),
    st.floats(0, 5), st.sampled_from([4, 20, 100]), st.sampled_from([200, 500, 2_000]),
)  # fmt: skip
def test_a_lag_that_is_always_the_same_is_fine_however_commits_and_looks_fall(
    commit_every: float, phase: float, rate: int, lag: int
) -> None:
    """The longer before the look was committed, the more came since: that is no growth."""
    case = {
        "until": 400, "end": 5_000, "committed": 5_000 - lag, "produce": [[0, 400, rate]],
        "consume": [[0, 400, rate]], "commit_every": commit_every, "phase": phase,
    }  # fmt: skip
    acted = act(case)
    for second in acted.moments[12:]:
        course = acted.course(second)
        assert course is not None
        assert verdict(course).word == "ok", (second, verdict(course))


@pytest.mark.parametrize("commit_every", [10, 20, 60])
@pytest.mark.parametrize("share", [0.3, 0.5])
@pytest.mark.parametrize("slower_at", [300, 303.3, 306.1])
@pytest.mark.parametrize("phase", [0, 1.9, 4.2])
def test_who_keeps_up_with_half_of_what_comes_is_growing_within_three_intervals(
    commit_every: int, share: float, slower_at: float, phase: float
) -> None:
    """And two looks, which are taken every five seconds."""
    until = slower_at + 4 * commit_every
    case = {
        "until": until, "produce": [[0, until, 100]], "commit_every": commit_every, "phase": phase,
        "consume": [[0, slower_at, 400], [slower_at, until, 100 * share]],
    }  # fmt: skip
    acted = act(case)
    said = {
        second: verdict(course)
        for second in acted.moments
        if second > 100 and (course := acted.course(second))
    }
    told = min(second for second, found in said.items() if found.word != "ok")
    assert slower_at < told <= slower_at + 3 * commit_every + 10
    assert said[told].word == "growing"
    assert told * US_PER_S - said[told].since <= 3 * commit_every * US_PER_S


def test_what_is_left_may_go_up_and_down_as_it_always_does() -> None:
    """Ten events come a second, and after each commit some are left, by chance: by chance they are
    more four times in a row, too, and that is hardly ever called growth."""
    judged, growing = 0, 0
    for seed in range(200):
        chance = random.Random(seed)
        most = chance.randint(4, 20)
        least = max(most - 9, most * chance.randrange(100) // 100)  # it never goes back
        for course in _of_chance(chance, least, most):
            judged += 1
            growing += verdict(course).word == "growing"
    assert judged == 200 * 40
    assert growing <= judged // 400


def _of_chance(chance: random.Random, least: int, most: int) -> Iterator[Course]:
    place, state = Place("orders", 0), State(0, "Stable", 1, None)
    commits: list[Commit] = []
    ends: list[Ends] = []
    waited = None
    for turn in range(60):
        now, end, left = turn * US_PER_S, 1_000 + 10 * turn, chance.randint(least, most)
        waits = now - left * US_PER_S // 10 if left else None
        ends.append(Ends(now, end, end, None))
        commits.append(Commit(now, end - left, end, waited, waits))
        waited = waits
        if turn >= 2 * LOOKED_AT:
            yield Course("bus", "g", place, "id", commits, [state], ends, "id", waits,
                         at_least=False, now=now, every=US_PER_S)  # fmt: skip


def test_a_commit_that_is_newer_than_the_last_look_at_the_end_is_not_beyond_it() -> None:
    """A commit whose moment is known is told as of that; the end as of the look."""
    place, group = Place("orders", 0), {"g": GroupState("classic", "Stable", 1)}
    history, rows = History("bus", Known()), Rows()
    for second, committed in ((0, 15), (10, 17)):
        at = second * US_PER_S
        exact = {("g", place): [ExactCommit(at - 2, at - 1, committed - 1)]} if second else {}
        exact = {of: [*some, ExactCommit(at - 1, at, committed)] for of, some in exact.items()}
        taken = history.take(
            Look(at, at + 10_000, group, {"g": {place: committed}},
                 {place: End("id-1", committed, committed)}, exact=exact)
        )  # fmt: skip
        rows.commits += taken.commits
        rows.ends += taken.ends
    watch = WatchRow("bus", 0, 10 * US_PER_S, 10 * US_PER_S, ("*",))
    (course,) = courses(
        [watch],
        [],
        [row for row in rows.commits if row.moment <= watch.moment],
        [row for row in rows.ends if row.moment <= watch.moment],
    )
    assert course.committed == 16 > course.ends[-1].high_watermark == 15
    assert verdict(course).word == "ok"
    (course,) = courses([watch], [], rows.commits, rows.ends)
    assert (course.committed, verdict(course).word) == (17, "ok")


def test_every_word_but_those_that_need_more_is_in_the_table() -> None:
    said = {word for case in CASES for _, _, word in case["said"]}
    assert said == {
        "ok", "growing", "stuck", "stopped", "rewound", "rebalancing", "recreated", "producer_hung",
    }  # fmt: skip
