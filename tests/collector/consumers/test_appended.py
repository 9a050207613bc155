"""When a record was appended, told by the ends that were seen."""

from hypothesis import given
from hypothesis import strategies as st

from collector.consumers.appended import MOST, Ends


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200))
def test_a_record_was_appended_between_the_looks_around_it(arrivals: list[int]) -> None:
    """One look a second; so many records came in each."""
    ends, end = Ends(), 0
    came: list[int] = []
    ends.see(0, 0)
    for second, number in enumerate(arrivals):
        came += [second] * number
        end += number
        ends.see(second + 1, end)
    assert ends.appended(end) is None
    for offset, second in enumerate(came):
        found = ends.appended(offset)
        assert found is not None
        assert not found.at_least
        assert second <= found.moment <= second + 1


def test_what_was_there_before_the_first_look_is_older() -> None:
    ends = Ends()
    ends.see(10, 100)
    found = ends.appended(99)
    assert found is not None
    assert found == (10, True)


def test_however_many_looks_the_memory_of_them_is_bounded() -> None:
    ends = Ends()
    for second in range(20 * MOST):
        ends.see(second * 1_000, second * 10)
    found = ends.appended(20 * MOST * 5)
    assert found is not None
    # Half way back it is known to a hundredth.
    assert abs(found.moment - 10 * MOST * 1_000) < 0.02 * 10 * MOST * 1_000
    assert len(ends._ends) <= MOST


def test_ends_that_went_back_begin_anew() -> None:
    ends = Ends()
    ends.see(1, 100)
    ends.see(2, 10)
    assert ends.appended(5) == (2, True)
    assert ends.appended(50) is None
