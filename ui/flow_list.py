"""The list of flows: the one whose newest stored event is the newest comes first.

Events are looked at from the newest back, some at a time, so that a page has bounds, however much
is stored. What can be looked up (a key's value, flows that have failed) is not looked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from analyzer.reading import failed_flows
from collector.event import Event
from collector.store import spans
from ui.errors import BadParameterError
from ui.flow_queries import FlowReader
from ui.models import FlowItem, FlowPage

CHUNK = 200
"""Flows that are read and judged at a time."""
MOST_JUDGED = 1_000
"""For one page: its `next` goes on from there."""
MOST_EVENTS, MOST_TIED_EVENTS = 1_000_000, 100_000
"""That are looked at for one page; where keys tie, each of them costs more."""
LARGEST = 200_000
"""Events that are looked at in one piece."""


@dataclass(frozen=True)
class FlowFilter:
    type: str | None
    state: str | None
    q: str | None
    name: str | None
    without: str | None
    since: int | None
    until: int | None


EVERY = FlowFilter(None, None, None, None, None, None, None)


@dataclass(frozen=True)
class Place:
    """Where a flow stands in the list: under its newest event, flows of one event by name."""

    seq: int
    flow: str
    known: bool = False
    """Among those that were looked up, which come before those that are looked for."""

    def __str__(self) -> str:
        return f"{'k' if self.known else ''}{self.seq}:{self.flow}"

    @classmethod
    def parse(cls, cursor: str | None) -> "Place | None":
        if cursor is None:
            return None
        seq, mark, flow = cursor.partition(":")
        known = seq.startswith("k")
        number = seq.removeprefix("k")
        if not mark or not number.isdecimal() or len(number) > 19:
            raise BadParameterError("cursor", "give the `next` of the page before, as it was")
        return cls(int(number), flow, known)

    def before(self, seq: int, flow: str) -> bool:
        return seq < self.seq or (seq == self.seq and flow > self.flow)


@dataclass(frozen=True)
class _Part:
    """Flows in their order, and where the list goes on behind them."""

    flows: Sequence[Place]
    end: Place | None
    looked_at: int = 0


@dataclass
class FlowList:
    """One question; `found` says whether the stored findings are those of the reader's rules."""

    reader: FlowReader
    wanted: FlowFilter
    found: bool
    _known: set[str] = field(default_factory=set)

    def page(self, limit: int, cursor: str | None) -> FlowPage:
        """Until it is full, or enough was looked at: then `next` goes on, however few are in it."""
        items: list[FlowItem] = []
        judged = looked_at = 0
        for part in self._parts(Place.parse(cursor), limit):
            flows = part.flows
            while flows:
                # Where all fit, no more are read than are shown.
                size = limit - len(items) if self.wanted == EVERY else CHUNK
                size = min(max(size, 20), CHUNK)
                chunk, flows = flows[:size], flows[size:]
                for place, item in self._items(chunk):
                    if item is not None:
                        items.append(item)
                    if len(items) == limit:
                        return FlowPage(items=items, next=str(place))
                judged += len(chunk)
                if judged >= MOST_JUDGED:
                    return FlowPage(items=items, next=str(chunk[-1]))
            looked_at += part.looked_at
            most = MOST_EVENTS if self.reader.ties is None else MOST_TIED_EVENTS
            if looked_at >= most and part.end is not None:
                return FlowPage(items=items, next=str(part.end))
        return FlowPage(items=items, next=None)

    def _failures(self) -> bool:
        """Whether those that fit are among the flows with findings."""
        return self.wanted.state == "failed" and self.found

    def _parts(self, at: Place | None, limit: int) -> Iterator[_Part]:
        wanted = self.wanted
        if self._failures():
            flows = self._last_seen(failed_flows(self.reader.cursor, wanted.type))
            yield _Part(_after(flows, at), None)
            return
        if wanted.q is not None:
            known = self._last_seen(self.reader.flows_of(wanted.q))
            self._known = {place.flow for place in known}
            if at is None or at.known:
                yield _Part(_after(known, at), None)
                at = None
        yield from self._windows(at, max(4 * limit, 200))

    def _last_seen(self, flows: Sequence[str]) -> list[Place]:
        """These flows in the order of their newest events, as far as spans tell."""
        last = self._bounds(list({self.reader.flow(id) for id in flows}))
        places = [Place(seq, flow, known=True) for flow, seq in last.items()]
        return sorted(places, key=lambda place: (-place.seq, place.flow))

    def _bounds(self, flows: Sequence[str]) -> dict[str, int]:
        texts = {flow: self.reader.texts(flow) for flow in flows}
        last = spans.bounds(self.reader.cursor, [text for some in texts.values() for text in some])
        found = {
            flow: [last[text] for text in some if text in last] for flow, some in texts.items()
        }
        return {flow: max(numbers) for flow, numbers in found.items() if numbers}

    # Looking for them

    def _windows(self, at: Place | None, size: int) -> Iterator[_Part]:
        lowest, top = self._reach()
        if at is not None:
            top = min(top, at.seq)
        seen: set[str] = set()
        while top >= lowest:
            low = max(top - size + 1, lowest)
            new = [
                Place(seq, flow)
                for seq, flow in self._flows_between(low, top)
                if flow not in seen and (at is None or at.before(seq, flow))
            ]
            seen.update(place.flow for place in new)
            if at is not None:
                new = self._without_those_above(new, at)
            yield _Part(new, Place(low - 1, "") if low > lowest else None, top - low + 1)
            top, size = low - 1, min(4 * size, LARGEST)

    def _reach(self) -> tuple[int, int]:
        """The least and the greatest number at which a flow's newest event can be."""
        condition, parameters = "true", list[object]()
        if self.wanted.since is not None:
            condition = "time >= make_timestamp(?::BIGINT)"
            parameters = [min(self.wanted.since, 2**62)]
        ((lowest, top),) = self.reader.cursor.execute(
            f"SELECT coalesce(min(seq), 1), (SELECT coalesce(max(seq), 0) FROM events) "
            f"FROM events WHERE {condition}",
            parameters,
        ).fetchall()
        return lowest, top

    def _flows_between(self, low: int, top: int) -> list[tuple[int, str]]:
        """(newest event among these, flow), the newest first."""
        text = self.wanted.q
        found = self.reader.flows_between(low, top, text)
        return [one for one in found if text is None or one[1] not in self._known]

    def _without_those_above(self, places: Sequence[Place], at: Place) -> list[Place]:
        """Without flows that go on above the cursor. `_items` makes sure; this spares the most."""
        last = self._bounds([place.flow for place in places])
        above = {flow: seq for flow, seq in last.items() if not at.before(seq, flow)}
        members = self.reader.members(list(set(above.values())))
        return [p for p in places if p.flow not in members.get(above.get(p.flow, 0), ())]

    # What they are

    def _items(self, places: Sequence[Place]) -> Iterator[tuple[Place, FlowItem | None]]:
        """Each flow with its place; None where it does not fit."""
        members = self.reader.events([place.flow for place in places])
        for place in places:
            events = members[place.flow]
            # A flow whose newest event is another one stands in another place.
            here = place.known or max((e.seq for e in events), default=0) == place.seq
            item = None
            if events and here and self._may_fit(place.flow, events):
                item = self.reader.item(place.flow, events)
                if (
                    self.wanted.type not in (None, item.type)
                    or self.wanted.state not in (None, item.state)
                ):  # fmt: skip
                    item = None
            yield place, item

    def _may_fit(self, flow: str, events: Sequence[Event]) -> bool:
        wanted = self.wanted
        names = {event.name for event in events}
        return (
            (wanted.name is None or wanted.name in names)
            and (wanted.without is None or wanted.without not in names)
            and (wanted.since is None or max(e.time for e in events) >= wanted.since)
            and (wanted.until is None or min(e.time for e in events) <= wanted.until)
            and (wanted.q is None or self._has(flow, events, wanted.q))
        )

    def _has(self, flow: str, events: Sequence[Event], text: str) -> bool:
        """One of its IDs holds the text, or it carries a key of exactly this value."""
        stored_as = set(self.reader.spellings(text))
        ids = self.reader.ids(flow)
        if any(text in id or id in stored_as for id in ids):
            return True
        return any(value in stored_as for event in events for _, value in event.keys)


def _after(places: Sequence[Place], at: Place | None) -> list[Place]:
    return [p for p in places if at is None or at.before(p.seq, p.flow)]
