"""When flows are judged next: for each its earliest moment, and not one for each of its rules."""

from collections.abc import Iterable, Mapping

from analyzer.deadlines import Deadlines
from analyzer.open_flow import SETTLED, OpenFlow
from analyzer.sight import Sight
from collector.times import FOREVER, NEVER

Flows = Mapping[str, OpenFlow]


class Agenda:
    """A calendar that is emptied as far as sight is furthest; what waits there for a partition
    that is behind is kept apart, by the names awaited."""

    def __init__(self, awaited: Iterable[frozenset[str]]) -> None:
        self._awaited = set(awaited)
        self._calendar = Deadlines()
        self._held: dict[frozenset[str], Deadlines] = {}
        self.enter = self._calendar.put
        """For who sees to `OpenFlow.due` himself."""
        self.seen_to = self.furthest = NEVER
        """Where sight was least when flows were taken last, and where most."""

    def put(self, flow_id: str, flow: OpenFlow, due: int) -> None:
        """The flow may be judged then, if nothing is earlier."""
        if due < flow.due:
            flow.due = due
            self.enter(due, flow_id)

    def wait(self, flow_id: str, flow: OpenFlow, due: int, awaits: frozenset[str]) -> None:
        """The flow is to be judged once all of these names was seen up to then."""
        if due >= self._calendar.passed:
            self.put(flow_id, flow, due)
        else:
            self._held.setdefault(awaits, Deadlines()).put(due, flow_id)

    def take(self, sight: Sight, flows: Flows) -> list[str]:
        """The flows of which a moment has passed and that are not settled, each once."""
        moments = [sight.complete_to(awaits) for awaits in self._awaited]
        self.seen_to, furthest = min(moments, default=NEVER), max(moments, default=NEVER)
        self.furthest = furthest
        found = []
        for flow_id in self._calendar.take(furthest):
            flow = flows.get(flow_id)
            # An entry that a later one came before is no longer the flow's.
            if flow is not None and flow.due < furthest:
                flow.due = FOREVER
                if not flow.state & SETTLED:
                    found.append(flow_id)
        return found

    def take_held(self, sight: Sight, flows: Flows) -> set[str]:
        """Those that were waiting for a partition that was behind, and is no more."""
        found: set[str] = set()
        for awaits, deadlines in self._held.items():
            taken = deadlines.take(sight.complete_to(awaits))
            found.update(flow_id for flow_id in taken if _waits(flow_id, flows))
        return found

    def held(self, sight: Sight, flows: Flows) -> int:
        """How many flows could be judged where sight is furthest, and wait. Other threads ask."""
        newest = sight.newest()
        every = [self._calendar, *self._held.values()]
        due = {flow_id for deadlines in every for flow_id in deadlines.before(newest)}
        return sum(_waits(flow_id, flows) for flow_id in due)


def _waits(flow_id: str, flows: Flows) -> bool:
    flow = flows.get(flow_id)
    return flow is not None and not flow.state & SETTLED
