"""Which flows are in memory, and what is known of those that were let go of."""

import itertools
from collections import deque
from collections.abc import Iterable

from analyzer.open_flow import DONE, FOUND, PENDING, SETTLED, OpenFlow


class KeptFlows:
    """A flow that comes back is read from the store: letting go costs time, and never a finding."""

    __slots__ = ("_leaving", "_linger", "_most", "cold", "cold_pending", "hot")

    def __init__(self, most: int, linger: int) -> None:
        """`linger`: so much event time a flow that is done stays."""
        self.hot: dict[str, OpenFlow] = {}
        self.cold: set[int] = set()
        """Hashes of flows that were let go of."""
        self.cold_pending: set[str] = set()
        """Those flows of them in which something was pending: an event may settle it."""
        self._leaving: deque[tuple[int, str]] = deque()
        """Flows that are done, with the moment from which on they are let go of."""
        self._most = most
        self._linger = linger

    def is_cold(self, flow_id: str) -> bool:
        """Or another flow of the same hash is."""
        return hash(flow_id) in self.cold

    def cool(self, flow_id: str, *, pending: bool) -> None:
        """It is not in memory, and was seen."""
        self.cold.add(hash(flow_id))
        if pending:
            self.cold_pending.add(flow_id)

    def thaw(self, wanted: Iterable[str]) -> None:
        """They are read back now, or are no more."""
        for flow_id in wanted:
            self.cold.discard(hash(flow_id))
            self.cold_pending.discard(flow_id)

    def done(self, flow_id: str, last: int) -> None:
        """Nothing is expected of it; its last event was then."""
        self._leaving.append((last + self._linger, flow_id))

    def let_go(self, settled_to: int) -> None:
        """Of those that are done, in time; of others that nothing is expected of, when there are
        too many, those that were touched longest ago."""
        leaving = self._leaving
        while leaving and leaving[0][0] < settled_to:
            flow_id = leaving.popleft()[1]
            flow = self.hot.get(flow_id)
            if flow is not None and flow.state & DONE:
                self._forget(flow_id)
        excess = len(self.hot) - self._most
        if excess > 0:
            # A quarter more than need be, so that this is not done for every flow that comes.
            quiet = (f for f, flow in self.hot.items() if flow.state & (SETTLED | FOUND) == SETTLED)
            for flow_id in list(itertools.islice(quiet, excess + self._most // 4)):
                self._forget(flow_id)

    def _forget(self, flow_id: str) -> None:
        pending = bool(self.hot.pop(flow_id).state & PENDING)
        self.cool(flow_id, pending=pending)
