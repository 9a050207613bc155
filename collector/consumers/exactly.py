"""Commits whose moments are known, as they fit in with what was known before."""

from collections.abc import Sequence

from collector.consumers.observation import ExactCommit


def fresh(some: Sequence[ExactCommit], committed: int | None) -> Sequence[ExactCommit]:
    """Those that changed something: what is committed once more is the same commit."""
    found: list[ExactCommit] = []
    for one in some:
        if one.committed != committed:
            found.append(one)
            committed = one.committed
    return found


def within(
    some: Sequence[ExactCommit], last: int, asked: int, answered: int
) -> Sequence[ExactCommit]:
    """Each later than the one before it, the first later than `last`, and all between two looks.

    The clock of a broker tells when: where it says what cannot be, the looks alone do; and of what
    is left out for that what follows it was not seen to be so any later.
    """
    found: list[ExactCommit] = []
    left_out: int | None = None
    for number, one in enumerate(some, 1):
        not_by, by = max(one.not_by, asked), max(one.by, last + 1)
        if not asked < one.by <= answered:
            not_by, by = asked, answered
        if left_out is not None:
            not_by = min(not_by, left_out)
        if number < len(some) and by >= answered:
            left_out = not_by
            continue
        last, left_out = min(by, answered), None
        found.append(ExactCommit(min(not_by, last), last, one.committed))
    return found
