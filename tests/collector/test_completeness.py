"""Up to which moment everything was seen: the cases of the design, one after another."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.completeness import SET_BACK, WINDOW, Completeness, Poll
from collector.times import NEVER, US_PER_S

HOUR = 3600 * US_PER_S


@dataclass(frozen=True)
class Step:
    """A poll (sent, high watermark, last stable offset), what was read, and where that led."""

    poll: tuple[int, int, int] | None
    read: tuple[int, ...]
    position: int
    now: int
    complete_to: int


CASES = {
    "nothing was polled yet": [Step(None, (), 0, 100, NEVER)],
    "an empty partition is complete to the poll": [Step((90, 0, 0), (), 0, 100, 90)],
    "read to the high watermark: complete to the moment of the fetch, not of the answer": [
        Step((90, 2, 2), (10, 20), 2, 100, 90)
    ],
    "behind: the lowest record time among the last ones": [
        Step((90, 9, 9), (30, 20, 40), 3, 100, 20)
    ],
    "behind, and nothing read yet: not known": [Step((90, 9, 9), (), 0, 100, NEVER)],
    "an idle partition that is caught up moves with the clock": [
        Step((90, 2, 2), (10, 20), 2, 100, 90),
        Step((190, 2, 2), (), 2, 200, 190),
        Step((290, 2, 2), (), 2, 300, 290),
    ],
    "without another poll it stands still": [
        Step((90, 2, 2), (10, 20), 2, 100, 90),
        Step(None, (), 2, 500, 90),
    ],
    "an open transaction holds it where it was": [
        Step((90, 2, 2), (10, 20), 2, 100, 90),
        Step((190, 5, 3), (150,), 3, 200, 90),
        Step((290, 6, 3), (), 3, 300, 90),
    ],
    "an open transaction from the start: never complete": [
        Step((90, 5, 2), (10, 20), 2, 100, NEVER),
        Step((190, 5, 2), (), 2, 200, NEVER),
    ],
    "when the transaction ends, it goes on": [
        Step((90, 5, 3), (10, 20, 30), 3, 100, NEVER),
        Step((190, 5, 5), (40,), 5, 200, 190),
    ],
    "markers and compaction leave holes: the position counts, not the number of records": [
        Step((90, 50, 50), (10,), 50, 100, 90)
    ],
    "it does not go back when the partition falls behind": [
        Step((90, 2, 2), (10, 20), 2, 100, 90),
        Step((190, 9, 9), (95, 30), 4, 200, 90),
        Step((195, 9, 9), (120, 130), 6, 200, 90),
    ],
    "old records read before the high watermark was reached bound nothing any more": [
        Step((90, 2, 2), (10, 20), 2, 100, 90),
        Step((190, 9, 9), (150, 160), 4, 200, 150),
    ],
    "it never passes the clock, whatever the records say": [
        Step((90, 9, 9), (5_000, 6_000), 2, 100, 100)
    ],
    "nor when the clock was turned back after the fetch was sent": [
        Step((900, 2, 2), (10, 20), 2, 100, 100)
    ],
    "a clock that was set back by much takes it along, and the next fetch tells anew": [
        Step((90 + HOUR, 2, 2), (10, 20), 2, 100 + HOUR, 90 + HOUR),
        Step(None, (), 2, 200, NEVER),
        Step((290, 2, 2), (), 2, 300, 290),
    ],
    "what was fetched before the clock was set back says nothing, whenever it is answered": [
        Step((90, 2, 2), (10, 20), 2, 100, 90),
        Step((190 + HOUR, 2, 2), (), 2, 300, 90),
    ],
    "a clock that is set back by little is waited for": [
        Step((90 + SET_BACK, 2, 2), (10, 20), 2, 90 + SET_BACK, 90 + SET_BACK),
        Step((100, 2, 2), (), 2, 110, 90 + SET_BACK),
    ],
    "reading past the high watermark of an older poll counts to that poll": [
        Step((90, 2, 2), (10, 20, 95), 3, 100, 90)
    ],
}


@pytest.mark.parametrize("steps", CASES.values(), ids=CASES)
def test_completeness(steps: list[Step]) -> None:
    one = Completeness()
    for step in steps:
        if step.poll is not None:
            one.polled(Poll(*step.poll))
        one.read(list(step.read))
        assert one.advance(step.position, step.now) == step.complete_to


def test_only_the_last_thousand_records_bound_the_disorder() -> None:
    one = Completeness()
    one.polled(Poll(10_000, 99_999, 99_999))
    one.read([1, *range(100, 100 + WINDOW)])
    assert one.advance(WINDOW + 1, 10_000) == 100
    one.read([5_000])
    assert one.advance(WINDOW + 2, 10_000) == 101


def test_after_a_restart_it_goes_on_from_where_it_was() -> None:
    one = Completeness(90)
    assert one.advance(2, 100) == 90
    one.polled(Poll(110, 9, 9))
    one.read([20])
    assert one.advance(3, 120) == 90


@given(st.lists(st.tuples(st.integers(0, 10 * SET_BACK), st.integers(0, 10 * SET_BACK))))
def test_it_is_never_further_ahead_of_the_clock_than_it_is_waited_for(
    taken: list[tuple[int, int]],
) -> None:
    one = Completeness()
    for sent, now in taken:
        one.polled(Poll(sent, 1, 1))
        assert one.advance(1, now) <= now + SET_BACK


moments = st.integers(0, 1_000)
steps = st.tuples(
    st.none() | st.tuples(moments, moments, moments), st.lists(moments, max_size=4), moments,
    moments,
)  # fmt: skip


@given(st.lists(steps, max_size=30))
def test_it_never_goes_back_and_never_passes_the_latest_clock(
    taken: list[tuple[tuple[int, int, int] | None, list[int], int, int]],
) -> None:
    one, before, latest = Completeness(), NEVER, 0
    for poll, read, position, now in taken:
        if poll is not None:
            one.polled(Poll(poll[0], max(poll[1:]), min(poll[1:])))
        one.read(read)
        latest = max(latest, now)
        moment = one.advance(position, now)
        assert before <= moment <= latest
        before = moment
