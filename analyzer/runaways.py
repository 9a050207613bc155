"""Flows of too many events: they are no longer judged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from analyzer.judge import RUNAWAY
from analyzer.open_flow import DONE, SETTLED, OpenFlow
from analyzer.open_flow import RUNAWAY as IS_RUNAWAY
from analyzer.unnamed import Unnamed
from collector.event import Event
from collector.glimpse import Glimpse, Glimpses
from collector.ties import Ties, flows_of

Load = Callable[[Sequence[str]], dict[str, list[Event]]]
"""Reads flows back from the store, by name, everything committed and submitted included."""

SWEEP = 1_000_000
"""After so many events flows are looked for that have too many and that nothing had judged."""


class Runaways:
    """Events that no rule names count, too; they are counted by bucket, and where a bucket holds
    too many the store is asked."""

    def __init__(self, load: Load, ties: Ties | None) -> None:
        self.unnamed = Unnamed()
        self.flows: set[str] = set()
        self._load = load
        self._ties = ties
        self._until_sweep = SWEEP

    def sweep_after(self, events: int, flows: Mapping[str, OpenFlow]) -> list[str]:
        """So many more came: now and then all are looked through, and these have run away."""
        self._until_sweep -= events
        if self._until_sweep >= 0:
            return []
        self._until_sweep = SWEEP
        found = [flow_id for flow_id, flow in flows.items() if flow.count > RUNAWAY]
        for flow_id in found:
            self.give_up(flow_id, flows[flow_id])
        return found

    def give_up(self, flow_id: str, flow: OpenFlow) -> None:
        flow.state |= IS_RUNAWAY
        flow.state &= ~(SETTLED | DONE)  # let go of, it would be read back whole again and again
        flow.clear()
        self.flows.add(flow_id)

    def ran_away(self, flow_id: str, flow: OpenFlow, fresh: Iterable[Glimpses]) -> bool:
        """Whether the flow has too many events; `fresh`: those that came since the last judgement,
        and are not stored yet."""
        if flow.runaway:
            flow.clear()
            return True
        ids = [flow_id] if self._ties is None else self._ties.ids(flow_id)
        if flow.count + sum(map(self.unnamed.of, ids)) <= RUNAWAY:
            return False
        # Maybe: other flows share its bucket. The store knows, but for what came just now.
        new = (one for taken in fresh for one in taken if flow_id in self._flows_of(one))
        events = chain(self._load([flow_id]).get(flow_id, ()), (one.event() for one in new))
        if len({(e.source, e.topic_id, e.partition, e.offset) for e in events}) <= RUNAWAY:
            return False
        self.give_up(flow_id, flow)
        return True

    def _flows_of(self, glimpse: Glimpse) -> Sequence[str]:
        return flows_of(glimpse, self._ties)
