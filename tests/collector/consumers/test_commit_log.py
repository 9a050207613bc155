"""What is read of Kafka's own topic of commits: batches as its log holds them."""

from __future__ import annotations

import struct

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from collector.consumers.batch_head import CONTROL, TRANSACTIONAL
from collector.consumers.commit_log import CommitLog, Keys, thinned
from collector.consumers.observation import ExactCommit, Place

P0 = Place("orders", 0)
OURS = ("ours", P0)
NONE = b"\x00\x00"


def text(value: str) -> bytes:
    return struct.pack(">h", len(value.encode())) + value.encode()


def key(group: str = "ours", version: int = 1) -> bytes:
    return struct.pack(">h", version) + text(group) + text("orders") + struct.pack(">i", 0)


def value(offset: int, version: int = 3) -> bytes:
    """As Kafka has written it since 2.1: with a leader's epoch; those before and after differ only
    behind the offset."""
    return struct.pack(">hqi", version, offset, 7) + NONE + struct.pack(">q", 0)


Record = tuple[int, bytes, bytes | None]
"""Its distance from the first of its batch, key, value."""


def batch(
    base: int, *records: Record, at: int = 1_000, producer: int = -1, codec: int = 0,
    transactional: bool = False, control: bool = False,
) -> bytes:  # fmt: skip
    builder = DefaultRecordBatchBuilder(2, codec, int(transactional), producer, 0, 0, 1 << 20)
    for distance, one, told in records:
        assert builder.append(distance, at, one, told, [])
    made = bytearray(builder.build())
    made[:8] = struct.pack(">q", base)
    kind = struct.unpack_from(">h", made, 21)[0]
    made[21:23] = struct.pack(">h", kind | (CONTROL | TRANSACTIONAL if control else 0))
    return bytes(made)


def commit(base: int, offset: int, *, group: str = "ours", **more: int | bool) -> bytes:
    return batch(base, (0, key(group), value(offset)), **more)  # type: ignore[arg-type]


def marker(base: int, producer: int, *, commits: bool, at: int) -> bytes:
    how = struct.pack(">hh", 0, int(commits))
    return batch(base, (0, how, b"\0" * 6), at=at, producer=producer, control=True)


def log(position: int = 0) -> CommitLog:
    return CommitLog(position, Keys(lambda group: group == "ours"))


def committed(one: CommitLog) -> list[tuple[int, int | None]]:
    """By the ms."""
    return [(found.not_by // 1000, found.committed) for found in one.take().get(OURS, ())]


@pytest.mark.parametrize("version", range(5))
def test_commits_of_every_version_are_read_in_order(version: int) -> None:
    one = log()
    first = batch(0, (0, key(version=min(version, 1)), value(5, version)), at=1)
    one.read(first + commit(1, 7, at=2))
    assert one.whole
    assert committed(one) == [(1, 5), (2, 7)]
    assert one.position == 2
    assert committed(one) == []


def test_what_is_no_commit_or_of_another_group_is_left_out() -> None:
    """Groups, members and assignments of whatever protocol have keys of other versions."""
    one = log()
    others = [(n, key(version=version), b"\0\1") for n, version in enumerate(range(2, 25))]
    one.read(batch(0, *others, (23, key("theirs"), value(1)), (24, key(), value(9))))
    assert (one.whole, one.position) == (True, 25)
    assert committed(one) == [(1_000, 9)]


@pytest.mark.parametrize("codec", [0, 1, 3])
def test_several_commits_of_one_batch_also_when_it_is_compressed(codec: int) -> None:
    one = log()
    one.read(batch(0, *((n, key(), value(n)) for n in range(50)), codec=codec))
    assert [offset for _, offset in committed(one)] == list(range(50))


def test_a_commit_without_a_value_was_deleted() -> None:
    one = log()
    one.read(commit(0, 5, at=1) + batch(1, (0, key(), None), at=2))
    assert committed(one) == [(1, 5), (2, None)]


def test_what_lies_before_the_position_is_known_and_what_is_cut_off_comes_again() -> None:
    one = log(position=1)
    known = batch(0, (0, key(), value(1)), (1, key(), value(2)))
    cut = commit(2, 3)
    one.read(known + cut[:-1])
    assert [offset for _, offset in committed(one)] == [2]
    assert one.position == 2
    one.read(cut)
    assert [offset for _, offset in committed(one)] == [3]


@pytest.mark.parametrize(
    "lacking",
    [
        commit(1, 5),
        batch(0, (0, key(), value(1)), (2, key(), value(5))),
        batch(0, (0, key(), value(1)), (1, key(), value(9, version=5))),
    ],
    ids=["a batch", "a record of a batch", "what it means"],
)
def test_what_is_missing_is_noticed(lacking: bytes) -> None:
    one = log()
    one.read(lacking)
    assert not one.whole
    one.take()
    one.read(commit(one.position, 7))
    assert one.whole


def test_a_transaction_commits_when_its_marker_says_so() -> None:
    one = log()
    one.read(commit(0, 5, producer=1, transactional=True, at=1))
    one.read(commit(1, 6, producer=2, transactional=True, at=2))
    assert committed(one) == []
    one.read(marker(2, 2, commits=False, at=3) + marker(3, 1, commits=True, at=4))
    assert committed(one) == [(4, 5)]
    one.read(marker(4, 1, commits=True, at=5))
    assert committed(one) == []
    assert one.whole


def test_what_lies_later_in_the_log_counts_however_late_a_transaction_ends() -> None:
    one = log()
    one.read(commit(0, 5, producer=1, transactional=True))
    one.read(commit(1, 8, at=2) + marker(2, 1, commits=True, at=3))
    assert committed(one) == [(2, 8)]
    one.read(commit(3, 9, producer=1, transactional=True))
    one.read(commit(4, 10, producer=2, transactional=True))
    one.read(marker(5, 2, commits=True, at=4) + marker(6, 1, commits=True, at=5))
    assert committed(one) == [(4, 10)]


def test_of_too_many_some_are_told_and_what_is_said_of_them_stays_true() -> None:
    found = [ExactCommit(n * 10, n * 10 + 1, n) for n in range(1, 26)]
    kept = thinned(found, 10)
    assert len(kept) <= 10
    assert kept[-1].committed == 25
    assert [one.committed for one in kept] == sorted(one.committed or 0 for one in kept)
    passed_by = 0
    for one in kept:
        # Each offset was passed by the first that is beyond it, and not before the one before that.
        assert one.not_by == (passed_by + 1) * 10
        passed_by = one.committed or 0
    assert list(thinned(found, 25)) == found
