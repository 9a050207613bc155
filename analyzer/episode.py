"""A flow's events as one rule file sees them: in order, cut into episodes, copies told apart."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from operator import attrgetter

from analyzer.naming import Called
from analyzer.sight import Sight
from collector.event import ORDER, Event

Names = tuple[str, ...]
FEW = 8
"""So many events are looked at one after another, rather than looked up."""


class Episode:
    """One piece of work: from its begin to its end, and what came after."""

    __slots__ = (
        "_all", "_called", "_ids", "_once", "begin", "correlation_id", "end", "ended_by", "events",
        "flow", "names", "reach", "type",
    )  # fmt: skip

    def __init__(
        self,
        correlation_id: str,
        number: int,
        type: str,
        events: Sequence[Event],
        called: Called | None = None,
    ) -> None:
        """`called`: where names are not simply what events are called."""
        self.correlation_id = correlation_id
        self.flow = correlation_id if number == 1 else f"{correlation_id}#{number}"
        self.type = type
        self.events = events
        self.begin: Event | None = None
        self.end: int | None = None
        """E: the time of the ending event, or begin + within; None while neither is known."""
        self.ended_by: Event | None = None
        self._called = called
        self.reach: int | None = None
        """How long (µs) before its first event it may have begun; None: as the sight says."""
        self.names: frozenset[str] | None = None
        """What the events are called that its rules name: what else is in the flow changes no
        judgement. None: any."""
        self._ids: frozenset[str] | None = None
        self._all: dict[str, list[Event]] = {}
        for event in events:
            for name in (event.name,) if called is None else called(event):
                some = self._all.get(name)
                if some is None:
                    self._all[name] = [event]
                else:
                    some.append(event)
        # Where no name is there twice, nothing is a copy.
        if called is None and len(self._all) == len(events):
            self._once = self._all
        else:
            self._once = _without_copies(self._all)

    def called(self, event: Event) -> Sequence[str]:
        """What this event is called in the rule file."""
        return (event.name,) if self._called is None else self._called(event)

    def ids(self) -> frozenset[str]:
        """The correlation IDs that are surely this flow's: not those of batches."""
        if self._ids is None:  # each absence asks
            alone = (e.correlation_ids[0] for e in self.events if len(e.correlation_ids) == 1)
            self._ids = frozenset((self.correlation_id, *alone))
        return self._ids

    def unseen_since(
        self, sight: Sight, names: frozenset[str], start: int | None, event: Event
    ) -> str | None:
        """Why it proves nothing that none of these names was seen before this event, since
        `start` or the flow's begin; None where it does."""
        if self.begin is not None:
            start = self.begin.time if start is None else max(start, self.begin.time)
        elif start is None:
            # Its begin may lie so far before the first that was seen of it.
            reach = sight.reach if self.reach is None else self.reach
            named = self.names
            seen = (e.time for e in self.events if named is None or e.name in named)
            start = min(event.time, next(seen, event.time)) - reach
        return sight.unseen_since(names, start, event, self.ids())

    def by_name(self, *, copies: bool) -> Mapping[str, Sequence[Event]]:
        """The events of each name, in order; of copies only the first, or all."""
        return self._all if copies else self._once

    def in_order(self, *, copies: bool) -> Sequence[Event]:
        """All events; of copies only the first, or all."""
        if copies or self._once is self._all:
            return self.events
        once = self._once if self._called is None else _without_copies(_by_stored_name(self.events))
        return sorted((e for some in once.values() for e in some), key=ORDER)

    def of(self, names: tuple[str, ...], *, copies: bool = False) -> Sequence[Event]:
        """The events with one of these names, in order; of copies only the first, or all."""
        index = self._all if copies else self._once
        if len(names) == 1:
            return index.get(names[0], ())
        found = [event for name in names for event in index.get(name, ())]
        found.sort(key=ORDER)
        if self._called is not None:
            return _distinct(found)
        return found


def _by_stored_name(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.name, []).append(event)
    return found


def _distinct(events: Sequence[Event]) -> list[Event]:
    """Without the second of two that are one event under two names; they lie side by side."""
    return [e for number, e in enumerate(events) if not number or events[number - 1] is not e]


def _without_copies(events: Mapping[str, Sequence[Event]]) -> dict[str, list[Event]]:
    """Of events with one name and one event id only the first."""
    kept: dict[str, list[Event]] = {}
    for name, some in events.items():
        seen: set[int] = set()
        kept[name] = found = []
        for event in some:
            occurrence = event.occurrence()
            if occurrence is None:
                found.append(event)
            elif occurrence not in seen:
                seen.add(occurrence)
                found.append(event)
    return kept


def in_order(events: Sequence[Event]) -> list[Event]:
    """Where no two moments are equal, these alone are compared: most of what sorting costs."""
    moments = {event.time for event in events}
    return sorted(events, key=ORDER if len(moments) < len(events) else _TIME)


_TIME = attrgetter("time")


def episodes(
    flow: str,
    type: str,
    begins: tuple[str, ...],
    ends: tuple[str, ...],
    within: int | None,
    events: Sequence[Event],
    called: Called | None = None,
) -> list[Episode]:
    """The events of one flow, in any order of arrival, as its episodes: `id`, `id#2`, …"""
    rest = in_order(events)
    heads: Sequence[Event | _Head] = rest
    if called is not None:
        heads = [_Head(called(event), begins, ends, event.time) for event in rest]
        begins, ends = _Head.BEGINS, _Head.ENDS
    found: list[Episode] = []
    while rest:
        begin = None
        for number, head in enumerate(heads):
            if head.name in begins:
                begin = number
                break
        end, ended_by, cut = None, None, len(rest)
        if begin is not None:
            end = None if within is None else rest[begin].time + within
            for i in range(begin + 1, len(rest)):
                head = heads[i]
                if ended_by is None and (end is None or head.time <= end) and head.name in ends:
                    end, ended_by = head.time, rest[i]
                elif head.name in begins and (
                    ended_by is not None or (end is not None and head.time > end)
                ):
                    cut = i
                    break
        episode = Episode(flow, len(found) + 1, type, rest[:cut], called)
        episode.reach = within
        if begin is not None:
            episode.begin, episode.end, episode.ended_by = rest[begin], end, ended_by
        found.append(episode)
        rest, heads = rest[cut:], heads[cut:]
    return found


class _Head:
    """Of an event that has other names in the rule file: whether it is a begin, an end, or both."""

    __slots__ = ("name", "time")

    BEGINS, ENDS = ("begin", "both"), ("end", "both")

    def __init__(self, names: Sequence[str], begins: Names, ends: Names, time: int) -> None:
        begin, end = not set(begins).isdisjoint(names), not set(ends).isdisjoint(names)
        self.name = "both" if begin and end else "begin" if begin else "end" if end else ""
        self.time = time


def is_over(episode: Episode, sight: Sight) -> bool:
    """Whether the flow has ended: its ending event came, or its time is over."""
    if episode.ended_by is not None:
        return True
    return episode.end is not None and sight.settled_to() > episode.end


def waits_no_more(episode: Episode, cause: Event) -> bool:
    """Whether the flow had ended when the cause came, or ended with it."""
    if episode.ended_by is not None:
        return bool(ORDER(cause) >= ORDER(episode.ended_by))
    return episode.end is not None and cause.time > episode.end


def since(events: Sequence[Event], moment: int) -> Sequence[Event]:
    """Those from then on; they are in order, and may be thousands."""
    return events[bisect_left(events, moment, key=_TIME) :] if len(events) > FEW else events


def follows(later: Event, earlier: Event, skew: int) -> bool:
    """Counts as after: a tie within the skew does, too. An event never follows itself."""
    return _compare(later, earlier, skew, tie=True)


def surely_follows(later: Event, earlier: Event, skew: int) -> bool:
    """After beyond doubt: a tie between partitions never makes a finding."""
    return _compare(later, earlier, skew, tie=False)


def _compare(later: Event, earlier: Event, skew: int, *, tie: bool) -> bool:
    apart = later.time - earlier.time
    if apart > skew:
        return True
    if apart < -skew:
        return False
    if (
        later.partition == earlier.partition
        and later.topic_id == earlier.topic_id
        and later.source == earlier.source
    ):
        # One partition: its offsets say which was first, and an event is not after itself.
        return later.offset > earlier.offset
    return tie


def skew_between(rule_skew: int | None, sight: Sight, one: Event, other: Event) -> int:
    return sight.skew(one.source, other.source) if rule_skew is None else rule_skew
