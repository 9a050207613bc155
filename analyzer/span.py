"""What an expectation asks of a flow in which no name came twice."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from analyzer.origins import ByName


class Span(NamedTuple):
    """The time (µs) from one event to another: more than `low`, at most `high`."""

    earlier: str
    later: str
    low: int
    high: int
    ties: bool = False
    """`low` is how far clocks may differ: what is nearer follows as far as `follows` says."""

    def holds(self, at: ByName) -> bool:
        apart = at.kept[self.later][1].time - at.kept[self.earlier][1].time
        if apart > self.high:
            return False
        if apart > self.low or not self.ties or apart < -self.low:
            return apart > self.low
        offsets = at.offsets(self.earlier, self.later)
        return offsets is None or offsets[0] < offsets[1]


def tightest(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Of those that differ in `high` alone, the one that allows least."""
    found: dict[Span, Span] = {}
    for one in spans:
        alike = one._replace(high=0)
        known = found.get(alike)
        if known is None or one.high < known.high:
            found[alike] = one
    return tuple(found.values())


def all_hold(spans: Iterable[Span], at: ByName) -> bool:
    """Told by times; only of what lies near a bound it is asked where it lies."""
    kept = at.kept
    for span in spans:
        earlier, later, low, high, _ = span
        if not low < kept[later][1].time - kept[earlier][1].time <= high and not span.holds(at):
            return False
    return True


Condition = Callable[[ByName], bool]
"""What payloads decide, besides."""
