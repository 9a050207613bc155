"""The flows from which is learned, and what in them may be the cause of what."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from analyzer.services.sighting import Sighting, by_flow
from collector.event import ORDER
from collector.times import NEVER, US_PER_S

SKEW = US_PER_S
"""So much clocks may differ."""
LATE = 5 * US_PER_S
"""An event that was surely not taken within that time has waited."""
MOST_OF_A_FLOW = 100
"""Longer flows teach nothing that others do not."""
MOST_PAIRS = 400_000
"""So often two events and a group are held against each other."""


class Flow(NamedTuple):
    """In order, without copies, and with the times of its dead letters and retries."""

    events: Sequence[Sighting]
    letters: Sequence[int]

    def before(self, number: int) -> Iterator[Sighting]:
        """What may have caused this event: the last of each name, but none before another of its
        own name, which would be what came of it; nor what was tried again between them."""
        event, seen = self.events[number], set[str]()
        since = max((one for one in self.letters if one <= event.time + SKEW), default=NEVER)
        for cause in reversed(self.events[:number]):
            if cause.name == event.name or cause.time <= since + SKEW:
                return
            if cause.name not in seen:
                seen.add(cause.name)
                yield cause


def chosen(sightings: Iterable[Sighting], letters: Collection[str], each: int) -> list[Flow]:
    """The one with the newest event first: so many that two of their events, with `each` group,
    are not held against each other too often. Half of them are some in which something waited, if
    there are: no others can be for a group."""
    newest = sorted(
        (
            (max(one.time for one in some), flow, some)
            for flow, some in by_flow(sightings).items()
            if 1 < len(some) <= MOST_OF_A_FLOW
        ),
        key=lambda one: one[:2],
        reverse=True,
    )
    waited, pairs = [_waited(some) for _, _, some in newest], 0
    taken: set[int] = set()
    for wanted, most in ((True, MOST_PAIRS // 2), (False, MOST_PAIRS), (True, MOST_PAIRS)):
        for number, (_, _, some) in enumerate(newest):
            if waited[number] == wanted and number not in taken:
                more = each * len(some) * (len(some) - 1) // 2
                if pairs + more > most:
                    break
                pairs += more
                taken.add(number)
    return [_flow(newest[number][2], letters) for number in sorted(taken)]


def _flow(some: Iterable[Sighting], letters: Collection[str]) -> Flow:
    kept: dict[object, Sighting] = {}
    put_off = []
    for event in sorted(some, key=ORDER):
        if event.topic in letters:
            put_off.append(event.time)
        elif event.name:
            of = event[:5] if event.id is None else (event.name, event.id)
            kept.setdefault(of, event)
    return Flow(list(kept.values()), put_off)


def _waited(events: Iterable[Sighting]) -> bool:
    times = sorted(one.time for one in events)
    return any(later - earlier >= LATE - SKEW for earlier, later in pairwise(times))
