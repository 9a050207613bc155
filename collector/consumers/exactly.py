"""Commits whose moments are known, as they fit in with what was known before."""

from collections.abc import Sequence

from collector.consumers.observation import CommitRow, ExactCommit


def fresh(some: Sequence[ExactCommit], committed: int | None) -> Sequence[ExactCommit]:
    """Those that changed something: what is committed once more is the same commit."""
    found: list[ExactCommit] = []
    for one in some:
        if one.committed != committed:
            found.append(one)
            committed = one.committed
    return found


def within(one: ExactCommit, last: CommitRow | None, asked: int, answered: int) -> ExactCommit:
    """The clock of a broker tells when, and ours between which looks. Each is later than the last
    one."""
    not_by = min(max(one.not_by, asked), answered)
    by = max(one.by, not_by, 0 if last is None else last.since + 1)
    return ExactCommit(not_by, min(by, answered), one.committed)
