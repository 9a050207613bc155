"""What alerts are, once more, from the sentences alone: for tests, without a cache."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.alerts.rows import ActRow
from analyzer.tables import FindingRow


@dataclass(frozen=True)
class Stand:
    """An alert at a moment."""

    state: str
    findings: frozenset[str]


MINUTE = 60_000_000


def _begins(before: FindingRow, row: FindingRow) -> bool:
    """Whether a finding came to stand with this row."""
    return before.state == "retracted" or (before.state == "closed" and row.state == "open")


def alerts(
    log: Sequence[FindingRow],
    acts: Sequence[ActRow],
    moment: int,
    waits: dict[str, int],
    keep: int,
    fingerprints: dict[str, str],
) -> dict[str, Stand]:
    """By fingerprint, those that stand; `fingerprints` tell the alert of each expectation.

    A finding stands from the moment it was announced until it is taken back, or it closed and a
    minute has passed (or none, where it had to wait), or a person closes it or its alert, or `keep`
    has passed. An alert fires while one of its findings has stood for `wait`.
    """
    rows: dict[str, list[FindingRow]] = defaultdict(list)
    for row in log:
        rows[row.id].append(row)
    standing: dict[str, dict[str, int]] = defaultdict(dict)
    mature: dict[str, bool] = defaultdict(bool)
    for id, said in rows.items():
        if said[-1].state == "retracted":
            continue
        since = len(said) - 1
        while since and not _begins(said[since - 1], said[since]):
            since -= 1
        found = said[since].moment
        wait = waits[said[-1].expectation]
        if said[-1].state == "closed" and moment >= found + (0 if wait else MINUTE):
            continue
        fingerprint = fingerprints[said[-1].expectation]
        closed = any(
            act.kind == "close"
            and act.moment > found
            and (act.finding == id or act.alert == fingerprint)
            for act in acts
        )
        if not closed and moment < found + wait + keep:
            standing[fingerprint][id] = found
            mature[fingerprint] |= moment >= found + wait
    return {
        fingerprint: Stand("firing" if mature[fingerprint] else "pending", frozenset(found))
        for fingerprint, found in standing.items()
    }
