"""How long awaited steps really took, and which `within` that would have been right for."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from collector.times import US_PER_MS, US_PER_S

SHARES = (0.001, 0.01, 0.05)
"""Of what is awaited so much may be found missing or late."""

_MINUTE, _HOUR, _DAY = 60 * US_PER_S, 3_600 * US_PER_S, 86_400 * US_PER_S
SENSIBLE = (
    *(n * US_PER_MS for n in (1, 2, 5, 10, 20, 50, 100, 200, 300, 500)),
    *(n * US_PER_S for n in (1, 2, 3, 5, 10, 15, 20, 30, 45)),
    *(n * _MINUTE for n in (1, 2, 3, 5, 10, 15, 20, 30, 45)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12, 18)),
    *(n * _DAY for n in (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 180, 365)),
)  # fmt: skip
"""Durations as people write them, in µs."""


def sensible(us: int) -> int:
    """The next one that a person would write; beyond a year, whole days."""
    at = bisect_left(SENSIBLE, us)
    return SENSIBLE[at] if at < len(SENSIBLE) else -(-us // _DAY) * _DAY


@dataclass(frozen=True)
class Waits:
    """What was seen of one expectation: how often it came, when, and how often not at all."""

    count: int
    p50: int
    p90: int
    p99: int
    max: int
    within: dict[float, int | None]
    """By the share of findings: the shortest sensible `within`; None where what never came is
    more than that."""


def waits(took: Sequence[int], absent: int) -> Waits | None:
    """`took` (µs) of each instance that was met or late; so many were `absent`. None of none."""
    if not took:
        return None
    inorder = sorted(took)
    return Waits(
        len(inorder),
        quantile(inorder, 0.5),
        quantile(inorder, 0.9),
        quantile(inorder, 0.99),
        inorder[-1],
        {share: _within(inorder, absent, share) for share in SHARES},
    )


def quantile(inorder: Sequence[int], share: float) -> int:
    """The least value that at least this share of them does not exceed."""
    rank = -(-len(inorder) * round(share * 1000) // 1000)
    return inorder[max(0, rank - 1)]


def _within(inorder: Sequence[int], absent: int, share: float) -> int | None:
    """What all but the allowed ones kept to."""
    allowed = (len(inorder) + absent) * round(share * 1000) // 1000 - absent
    if allowed < 0:
        return None
    return sensible(inorder[len(inorder) - 1 - allowed])
