"""The leaders' epochs in what was fetched, and whether a log still holds what was read of it."""

import struct

import pytest

from collector.sources.kafka_epochs import EpochEnd, EpochLine, cut_at


def batch(offset: int, epoch: int, size: int = 61) -> bytes:
    """As much of a batch as the line looks at: base offset, length, epoch, format 2."""
    return struct.pack(">qiib", offset, size - 12, epoch, 2) + bytes(size - 17)


def test_each_offset_has_the_epoch_of_its_batch() -> None:
    line = EpochLine()
    line.note(batch(10, 3) + batch(15, 3) + batch(20, 4))
    assert [line.of(offset) for offset in (9, 10, 19, 20, 99)] == [None, 3, 3, 4, 4]


def test_what_is_fetched_again_replaces_what_was_known_from_there_on() -> None:
    line = EpochLine()
    line.note(batch(10, 3) + batch(20, 4))
    line.note(batch(15, 5))
    assert [line.of(offset) for offset in (12, 16, 25)] == [3, 5, 5]
    line.note(batch(5, 5))
    assert line.of(6) == 5


def test_a_batch_that_is_cut_off_and_formats_without_epochs_are_left_alone() -> None:
    line = EpochLine()
    line.note(batch(10, 3) + batch(20, 4)[:16])
    assert line.of(30) == 3
    line.note(struct.pack(">qiib", 40, 30, 12345, 1) + bytes(40))
    assert line.of(50) == 3


@pytest.mark.parametrize(
    ("position", "end", "cut"),
    [(10, 10, None), (10, 12, None), (10, 7, 7), (10, 0, 0), (10, -1, None)],
)
def test_where_a_log_was_cut(position: int, end: int, cut: int | None) -> None:
    assert cut_at(position, EpochEnd(1, end)) == cut
