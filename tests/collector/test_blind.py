"""Records that could not be decoded are covered by gaps, and not by one gap each."""

from hypothesis import given
from hypothesis import strategies as st

from collector.batch import Gap
from collector.blind import MARGIN, Blind
from collector.times import US_PER_S

Told = tuple[int, int, int]


def gaps_of(batches: list[list[Told]]) -> list[Gap]:
    """`batches` of (partition, offset, time)."""
    blind, gaps = Blind("s", "t", "id"), []
    for batch in batches:
        for partition, offset, time in batch:
            blind.add(partition, offset, time, "bad-avro")
        gaps += blind.take()
    return gaps


def test_one_record_is_a_gap_with_a_margin() -> None:
    assert gaps_of([[(3, 7, 500 * US_PER_S)]]) == [
        Gap("s", "t", "id", 3, 7, 8, "undecodable: bad-avro", 440 * US_PER_S, 560 * US_PER_S)
    ]


def test_records_close_together_are_one_gap_and_others_are_not() -> None:
    times = [0, 10, 20, 1_000, 1_001]
    found = gaps_of([[(0, offset, time * US_PER_S) for offset, time in enumerate(times)]])
    assert [(gap.from_offset, gap.to_offset) for gap in found] == [(0, 3), (3, 5)]


def test_a_topic_that_cannot_be_decoded_at_all_has_a_gap_a_minute_and_not_one_a_batch() -> None:
    batches = [[(0, i, i * US_PER_S // 10)] for i in range(36_000)]
    assert 30 <= len(gaps_of(batches)) <= 60


told = st.tuples(st.integers(0, 2), st.integers(0, 99), st.integers(-(10**9), 10**9))


@given(st.lists(st.lists(told, max_size=5), max_size=6))
def test_whatever_the_order_every_record_lies_in_a_gap_with_what_happened_before_it(
    batches: list[list[Told]],
) -> None:
    gaps = gaps_of(batches)
    for partition, _, time in (one for batch in batches for one in batch):
        assert any(
            gap.partition == partition and gap.from_time <= time - MARGIN and gap.to_time >= time
            for gap in gaps
        )
