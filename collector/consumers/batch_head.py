"""The heads of batches of records, as they lie in a log."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEAD = struct.Struct(">qiiBIhiqqqhii")
"""Base offset, length, epoch, format, checksum, attributes, last offset's distance, two timestamps,
producer, its epoch and sequence, how many records."""
_BEFORE_LENGTH_COUNTS = 12
CONTROL, TRANSACTIONAL = 0x20, 0x10
"""Attributes: a marker of a transaction; records of one."""
_NEW_FORMAT = 2


class Head(NamedTuple):
    first: int
    last: int
    """Offsets; the last one may have been compacted away."""
    records: int
    """So many are left."""
    old: bool
    """As Kafka wrote them before 0.11: of the others nothing is known but `first`."""
    control: bool
    """A marker of a transaction."""
    transactional: bool
    producer: int
    begin: int
    end: int
    """Where it lies among the bytes; `end` may be behind them."""


def heads(batches: bytes) -> Iterator[Head]:
    """Of an answer to a fetch, in the order of offsets; its last batch may be cut off."""
    at = 0
    while at + _HEAD.size <= len(batches):
        first, length, _, form, _, kind, distance, _, _, producer, _, _, count = _HEAD.unpack_from(
            batches, at
        )
        if length <= 0:
            return
        end = at + _BEFORE_LENGTH_COUNTS + length
        yield Head(
            first, first + distance, count, form < _NEW_FORMAT, bool(kind & CONTROL),
            bool(kind & TRANSACTIONAL), producer, at, end,
        )  # fmt: skip
        at = end
