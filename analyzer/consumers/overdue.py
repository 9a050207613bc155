"""What was not handled in time: judged again once its group has committed it after all."""

from heapq import heappop, heappush

from analyzer.consumers.consumed import Consumed, Series
from analyzer.instance import Instance
from collector.event import Event


class Overdue:
    """By group and partition, the events that wait, the lowest offset first."""

    def __init__(self) -> None:
        self._waiting: dict[Series, list[tuple[int, str]]] = {}
        self._events: dict[Series, dict[tuple[int, str], Event]] = {}

    def put(self, flow_id: str, instance: Instance) -> None:
        event = instance.activation
        if event is None:
            return
        for group in instance.lacks:
            series = event.source, group, event.topic_id, event.partition
            known = self._events.setdefault(series, {})
            if (event.offset, flow_id) not in known:
                known[event.offset, flow_id] = event
                heappush(self._waiting.setdefault(series, []), (event.offset, flow_id))

    def take(self, consumed: Consumed | None) -> set[str]:
        """The flows of which something was committed since."""
        found: set[str] = set()
        if consumed is None:
            return found
        for series, waiting in self._waiting.items():
            known = self._events[series]
            while waiting and consumed.passage(series[1], known[waiting[0]]).by is not None:
                first = heappop(waiting)
                del known[first]
                found.add(first[1])
        return found
