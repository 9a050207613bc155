"""When flows must be judged: moments, each with a flow, emptied as completeness passes them."""

import heapq
from array import array
from collections.abc import Iterator

from collector.times import NEVER

_SLOT = 16
"""Moments are sorted into slots of 2**16 µs, and within a slot not at all."""

_Slot = tuple["array[int]", list[str]]


class Deadlines:
    """A calendar: putting an entry into it costs no search, and an entry is two words."""

    __slots__ = ("_order", "_slots", "passed")

    def __init__(self) -> None:
        self.passed = NEVER
        """How far it was emptied. Sight can go back behind it, when a partition is new."""
        self._slots: dict[int, _Slot] = {}
        self._order: list[int] = []
        """A heap of the slots that there are."""

    def put(self, due: int, flow: str) -> None:
        slot = self._slots.get(due >> _SLOT)
        if slot is None:
            slot = self._slots[due >> _SLOT] = array("q"), []
            heapq.heappush(self._order, due >> _SLOT)
        slot[0].append(due)
        slot[1].append(flow)

    def take(self, moment: int) -> list[str]:
        """The flows that are due before this moment; their entries are gone then."""
        self.passed = max(self.passed, moment)
        found: list[str] = []
        last = moment >> _SLOT
        while self._order and self._order[0] < last:
            found += self._slots.pop(heapq.heappop(self._order))[1]
        if self._order and self._order[0] == last:
            dues, flows = self._slots[last]
            rest: _Slot = array("q"), []
            for due, flow in zip(dues, flows, strict=True):
                if due < moment:
                    found.append(flow)
                else:
                    rest[0].append(due)
                    rest[1].append(flow)
            self._slots[last] = rest
        return found

    def before(self, moment: int) -> Iterator[str]:
        """The flows that are due before this moment. Another thread may ask."""
        for number, (dues, flows) in list(self._slots.items()):
            if number <= moment >> _SLOT:
                both = zip(list(dues), list(flows), strict=False)
                yield from (flow for due, flow in both if due < moment)
