"""Keeps partitions side by side while catching up, so that flows close as they opened."""

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Progress(NamedTuple):
    """How a partition stands: `reached` is the record time read last, None before the first."""

    reached: int | None
    slowing: bool
    """It has records to give and can give them: the others wait for it."""


def to_wait(partitions: Mapping[Key, Progress], ahead: int) -> set[Key]:
    """Those that are more than `ahead` (µs) past the slowest, and so are not read for now.

    The slowest itself is never among them, so that somebody always goes on.
    """
    slowing = [one.reached for one in partitions.values() if one.slowing]
    if not slowing:
        return set()
    if None in slowing:
        # Nobody knows yet how old its records are: all who have begun wait for its first ones.
        return {key for key, one in partitions.items() if one.reached is not None}
    slowest = min(reached for reached in slowing if reached is not None)
    return {
        key
        for key, one in partitions.items()
        if one.reached is not None and one.reached > slowest + ahead
    }
