"""A tap that is far behind says how long it will take, ever more seldom, and when it is done."""

from collector.batch import PartitionState
from collector.times import US_PER_S
from nonevent.pace import FAR, CatchUp, Pace, amount, span
from tests.watching import START


def states(position: int, end: int) -> list[PartitionState]:
    """Two partitions; of a third the end is not known, and a fourth is gone."""
    return [
        PartitionState("s", "t", "id", 0, position, 1_000, high_watermark=end),
        PartitionState("s", "t", "id", 1, position, 1_000, high_watermark=end),
        PartitionState("s", "t", "id", 2, 0, 0),
        PartitionState("s", "gone", "id", 0, 0, 0, high_watermark=10**9, retired=True),
    ]


def test_it_says_how_far_how_fast_and_how_long_and_then_that_it_is_done() -> None:
    progress = CatchUp("eu-prod")
    end, said = 500_000, []
    for second in range(100):
        at = START + second * US_PER_S
        line = progress.committed(states(min(end, 1_000 + second * 5_000), end), at)
        if line:
            said.append((second, line))
        if second == 10:
            now = progress.now
            assert now == Pace(START, 2 * (end - 51_000), 10_000, 2 * (end - 51_000) / 10_000)
    assert said[0] == (0, "source eu-prod catches up: 998,000 events behind")
    assert said[1] == (
        5,
        "source eu-prod catches up: 948,000 events behind, 10,000 a second, "
        "about 1 min 35 s left",
    )  # fmt: skip
    assert [second for second, _ in said[:-1]] == [0, 5, 15, 35, 75]
    assert said[-1][1] == "source eu-prod has caught up: 990,000 events in 1 min 39 s"
    assert progress.now is None


def test_a_bus_that_is_as_fast_is_not_promised_to_be_caught_up() -> None:
    progress = CatchUp("s")
    for second in range(8):
        line = progress.committed(
            states(1_000 + second * 500, 50_000 + second * 500), START + second * US_PER_S
        )
    assert progress.now is not None
    assert (progress.now.rate, progress.now.seconds_left) == (1_000, None)
    line = progress.committed(states(5_000, 54_000), START + 30 * US_PER_S)
    assert line is not None
    assert "not gaining on the bus" in line


def test_a_live_bus_is_not_worth_a_word() -> None:
    progress = CatchUp("s")
    for second in range(100):
        end = 1_000 + second * FAR // 4
        assert progress.committed(states(end, end + FAR // 2 - 1), START + second) is None
    assert progress.now is None


def test_a_file_of_event_lines_is_told_in_bytes_and_no_word_of_events() -> None:
    progress = CatchUp("f")
    size, said = 4_280_000, []
    for second in range(4):
        read = min(size, second * 2_000_000)
        lines = PartitionState("f", "/x.jsonl", "/x.jsonl", 0, read, 0, high_watermark=size)
        said.append(progress.committed([lines], START + second * 5 * US_PER_S))
        if second == 1:
            now = progress.now
            assert now is not None
            assert (now.shown().behind, now.shown().counted_in) == (2_280_000, "bytes")
    assert said == [
        "source f catches up: 4.3 MB behind",
        "source f catches up: 2.3 MB behind, 400.0 kB a second, about 6 s left",
        "source f has caught up: 4.0 MB in 10 s",
        None,
    ]


def test_so_many_bytes_as_a_bus_has_records_are_not_worth_a_word() -> None:
    lines = PartitionState("f", "/x.jsonl", "/x.jsonl", 0, 0, 0, high_watermark=50 * FAR)
    assert CatchUp("f").committed([lines], START) is None


def test_amounts_are_said_in_what_is_counted() -> None:
    assert amount(1_240_000, "records") == "1,240,000 events"
    assert [amount(n, "bytes") for n in (0, 340, 12_000, 4_280_000)] == [
        "0 bytes", "340 bytes", "12.0 kB", "4.3 MB",
    ]  # fmt: skip


def test_spans_are_said_in_two_units_at_most() -> None:
    assert [span(s) for s in (0.2, 59.4, 67, 3_600, 7_530, 90_061)] == [
        "1 s", "59 s", "1 min 7 s", "1 h", "2 h 5 min", "1 d 1 h",
    ]  # fmt: skip
