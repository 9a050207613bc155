"""Who waits for whom while catching up: never everybody, and never for one who cannot come."""

from hypothesis import given
from hypothesis import strategies as st

from collector.sources.side_by_side import Progress, to_wait

AHEAD = 10


def behind(reached: int | None) -> Progress:
    return Progress(reached, slowing=True)


def there(reached: int | None) -> Progress:
    """Caught up, blocked or set aside: nobody waits for it."""
    return Progress(reached, slowing=False)


def test_who_is_further_than_that_past_the_slowest_waits() -> None:
    found = to_wait({"a": behind(0), "b": behind(10), "c": behind(11), "d": there(50)}, AHEAD)
    assert found == {"c", "d"}


def test_nobody_waits_for_one_who_has_nothing_to_give_or_cannot_be_read() -> None:
    assert to_wait({"a": there(0), "b": behind(100), "c": there(None)}, AHEAD) == set()


def test_all_who_have_begun_wait_for_the_first_records_of_one_who_has_them() -> None:
    assert to_wait({"a": behind(None), "b": behind(1), "c": there(None)}, AHEAD) == {"b"}


partitions = st.dictionaries(
    st.integers(0, 9),
    st.builds(Progress, st.none() | st.integers(-100, 100), st.booleans()),
)


@given(partitions, st.integers(0, 50))
def test_the_slowest_who_can_be_read_always_goes_on(
    partitions: dict[int, Progress], ahead: int
) -> None:
    waiting = to_wait(partitions, ahead)
    slowing = {key for key, one in partitions.items() if one.slowing}
    assert not slowing or slowing - waiting
    assert slowing or not waiting
