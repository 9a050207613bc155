"""What could not be told, counted as it comes up: never a finding, and no alert."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

Expectation = tuple[str, str]
"""Flow type and name."""

SHOWN = 3
"""Flows in which that was so last."""
PRUNE_AFTER = 10_000


class Unknown(NamedTuple):
    flows: int
    """In which it could not be told, since the daemon began; one that comes back after it was let
    go of counts again."""
    last: Sequence[str]


class Undecided:
    """By expectation. Of a flow it is remembered as long as that is in memory."""

    def __init__(self) -> None:
        self._of_flow: dict[str, frozenset[Expectation]] = {}
        self._counts: dict[Expectation, int] = {}
        self._last: dict[Expectation, deque[str]] = {}
        self._until_pruned = PRUNE_AFTER

    def note(self, flow: str, unknown: frozenset[Expectation], there: Collection[str]) -> None:
        """As this flow was judged now; `there` are those in memory."""
        known = self._of_flow.get(flow, frozenset())
        for one in unknown - known:
            self._last.setdefault(one, deque(maxlen=SHOWN)).append(flow)
            self._counts[one] = self._counts.get(one, 0) + 1
        self._of_flow[flow] = known | unknown
        self._until_pruned -= 1
        if self._until_pruned <= 0:
            self._until_pruned = PRUNE_AFTER
            self._of_flow = {id: some for id, some in self._of_flow.items() if id in there}

    def told(self) -> Mapping[Expectation, Unknown]:
        """May be asked from any thread."""
        counts = self._counts.copy()
        return {one: Unknown(count, [*self._last[one].copy()]) for one, count in counts.items()}
