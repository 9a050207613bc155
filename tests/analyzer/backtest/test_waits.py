"""How long steps took, and the `within` that would have been right: against counting by hand."""

from hypothesis import given
from hypothesis import strategies as st

from analyzer.backtest.waits import SHARES, sensible, waits
from collector.times import US_PER_S

S = US_PER_S


def test_quantiles_are_values_that_were_seen() -> None:
    found = waits([n * S for n in range(1, 101)], 0)
    assert found is not None
    assert (found.count, found.p50, found.p90, found.p99, found.max) == (
        100, 50 * S, 90 * S, 99 * S, 100 * S,
    )  # fmt: skip
    assert waits([], 7) is None


def test_one_alone_is_every_quantile() -> None:
    found = waits([3 * S], 0)
    assert found is not None
    assert {found.p50, found.p90, found.p99, found.max} == {3 * S}
    assert set(found.within.values()) == {3 * S}


def test_what_never_came_leaves_less_room_for_what_came_late() -> None:
    took = [S] * 95 + [50 * S] * 4
    assert waits(took, 1).within == {0.001: None, 0.01: 60 * S, 0.05: S}  # type: ignore[union-attr]
    assert waits(took, 5).within == {0.001: None, 0.01: None, 0.05: 60 * S}  # type: ignore[union-attr]
    assert set(waits(took, 50).within.values()) == {None}  # type: ignore[union-attr]


def test_durations_are_rounded_up_to_those_that_people_write() -> None:
    assert [sensible(us) for us in (0, 1, 1001, S, S + 1, 16 * S, 61 * S)] == [
        1_000, 1_000, 2_000, S, 2 * S, 20 * S, 120 * S,
    ]  # fmt: skip
    assert sensible(400 * 86_400 * S + 1) == 401 * 86_400 * S


@given(st.lists(st.integers(0, 100 * S), min_size=1, max_size=60), st.integers(0, 8))
def test_the_within_that_is_named_finds_no_more_than_its_share(
    took: list[int], absent: int
) -> None:
    found = waits(took, absent)
    assert found is not None
    for share in SHARES:
        most = round(share * 1000) * (len(took) + absent)
        within = found.within[share]
        if within is None:
            assert absent * 1000 > most
        else:
            wrong = absent + sum(us > within for us in took)
            assert wrong * 1000 <= most
