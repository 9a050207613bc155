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


def alerts(
    log: Sequence[FindingRow],
    acts: Sequence[ActRow],
    moment: int,
    wait: int,
    keep: int,
    fingerprints: dict[str, str],
) -> dict[str, Stand]:
    """By fingerprint, those that stand; `fingerprints` tell the alert of each expectation.

    A finding stands from the moment it was announced as open until it is said to be something else,
    or a person closes it or its alert, or `keep` has passed. An alert fires while one of its
    findings has stood for `wait`.
    """
    rows: dict[str, list[FindingRow]] = defaultdict(list)
    for row in log:
        rows[row.id].append(row)
    standing: dict[str, dict[str, int]] = defaultdict(dict)
    for id, said in rows.items():
        if said[-1].state != "open":
            continue
        since = len(said) - 1
        while since and said[since - 1].state == "open":
            since -= 1
        found = said[since].moment
        fingerprint = fingerprints[said[-1].expectation]
        closed = any(
            act.kind == "close"
            and act.moment > found
            and (act.finding == id or act.alert == fingerprint)
            for act in acts
        )
        if not closed and moment < found + keep:
            standing[fingerprint][id] = found
    return {
        fingerprint: Stand(
            "firing" if any(moment >= at + wait for at in found.values()) else "pending",
            frozenset(found),
        )
        for fingerprint, found in standing.items()
    }
