"""Choices that a seed repeats: each order has its own, whatever arrives first."""

from __future__ import annotations

import uuid
from random import Random


def chance(seed: int, number: int, what: str) -> Random:
    """The source of one choice: a function of seed, order number and the choice's name."""
    return Random(f"{seed}/{number}/{what}")


def unique_id(seed: int, number: int, what: str) -> str:
    """A UUID that the seed repeats."""
    return str(uuid.UUID(int=chance(seed, number, what).getrandbits(128), version=4))
