"""When the record at an offset was appended, by the ends that were seen: no timestamp is needed."""

from array import array
from bisect import bisect_right
from math import ceil
from typing import NamedTuple

MOST = 600
"""Ends that are remembered of a partition: then every other one of the older half goes."""


class Appended(NamedTuple):
    moment: int
    at_least: bool
    """It was there when the ends were first seen: it is older than that."""


class Ends:
    """The ends of one partition over time: of a stretch without new records its first and its
    last sample, so that what comes then is not taken for older than it is."""

    def __init__(self) -> None:
        self._moments = array("q")
        self._ends = array("q")

    def see(self, moment: int, end: int) -> None:
        """Samples come in the order of time; an end that went back begins anew."""
        moments, ends = self._moments, self._ends
        if ends and end < ends[-1]:
            del moments[:], ends[:]
        if len(ends) > 1 and ends[-1] == end and ends[-2] == end:
            moments[-1] = moment
            return
        moments.append(moment)
        ends.append(end)
        if len(ends) > MOST:
            half = MOST // 2
            self._moments = moments[:half:2] + moments[half:]
            self._ends = ends[:half:2] + ends[half:]

    def appended(self, offset: int) -> Appended | None:
        """About when the record at this offset came; None while there is none."""
        moments, ends = self._moments, self._ends
        if not ends or offset >= ends[-1]:
            return None
        after = bisect_right(ends, offset)
        if after == 0:
            return Appended(moments[0], True)
        begin, end = moments[after - 1], moments[after]
        share = (offset - ends[after - 1] + 0.5) / (ends[after] - ends[after - 1])
        return Appended(begin + ceil(share * (end - begin)), False)
