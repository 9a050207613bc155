"""What the live cache remembers of one flow: its events, packed, and how it was judged last."""

from collections.abc import Iterable, Mapping, Sequence

from analyzer.finding import Finding
from collector.event import Event
from collector.glimpse import HEAD, Glimpse, events_in
from collector.times import NEVER

NOTHING_FOUND: Mapping[str, Finding] = {}
"""Of nearly every flow: one for all of them."""

BORN = 1
"""The one bit that every flow's mask has, from its first event on."""


class OpenFlow:
    """A few hundred bytes: there may be a million of them."""

    __slots__ = (
        "count", "done", "found", "last", "mask", "packed", "pending", "pushed", "runaway",
        "settled",
    )  # fmt: skip

    def __init__(self) -> None:
        self.packed = bytearray(HEAD)
        """The events that some rule names, as the glimpses of them came."""
        self.count = 0
        self.last = NEVER
        """The time of the newest of them."""
        self.mask = BORN
        """The names seen once, and again, by the bits of the plan."""
        self.found = NOTHING_FOUND
        """Findings that were announced and not retracted, by id."""
        self.pending = False
        """When it was judged last, something in it was pending: until an event, if nothing else."""
        self.settled = False
        """Judged since its last event, and nothing in it waits for completeness."""
        self.done = False
        """Settled, ended, and nothing was found: it may be let go of."""
        self.pushed: set[tuple[frozenset[str], int]] | None = None
        """Moments that only a judgement knew of, so that each is pushed once."""
        self.runaway = False
        """It has too many events: it is no longer judged, and stays here to say so."""

    def add(self, glimpse: Glimpse) -> None:
        self.packed += glimpse.packed
        self.count += 1
        self.last = max(self.last, glimpse.time)

    def events(self) -> list[Event]:
        """In the order in which they came."""
        return events_in(self.packed, self.count)

    def clear(self) -> None:
        self.packed, self.count = bytearray(HEAD), 0


def together(flows: Sequence[OpenFlow], glimpses: Iterable[Glimpse]) -> OpenFlow:
    """One flow of several, with these for its events."""
    whole = OpenFlow()
    for glimpse in glimpses:
        whole.add(glimpse)
    whole.runaway = any(flow.runaway for flow in flows)
    return whole


def distinct(flows: Iterable[OpenFlow]) -> list[Event]:
    """The events of several flows; one that was in two of them is there once."""
    events = (event for flow in flows for event in flow.events())
    return list({(e.source, e.topic_id, e.partition, e.offset): e for e in events}.values())
