"""What is said of a range that was not seen: which, and why."""

import pytest

from analyzer.sight import Sight
from collector.batch import Gap, PartitionState
from collector.times import NEVER, US_PER_S

NAMES = frozenset(("order.paid",))


@pytest.mark.parametrize(
    ("first", "end", "since", "told"),
    [
        (120, 480, 60, "offsets 120 to 479, of 1970-01-01T00:01:00.000Z"),
        (120, 121, 60, "offset 120, of 1970-01-01T00:01:00.000Z"),
        (0, 480, None, "offsets 0 to 479, of the beginning"),
    ],
)
def test_a_gap_is_told_with_its_offsets_and_times(
    first: int, end: int, since: int | None, told: str
) -> None:
    seen = PartitionState("bus", "pay", "id", 3, 500, 0, complete_to=300 * US_PER_S, seen_from=0)
    start = NEVER if since is None else since * US_PER_S
    gap = Gap("bus", "pay", "id", 3, first, end, "retention passed the tap", start, 120 * US_PER_S)
    sight = Sight([seen], [gap])
    expected = f"retention passed the tap on pay-3: {told} to 1970-01-01T00:02:00.000Z"
    assert sight.unseen_between(NAMES, 100 * US_PER_S, 130 * US_PER_S) == expected
    assert sight.unseen_between(NAMES, 121 * US_PER_S, 130 * US_PER_S) is None
