"""A flow's events as one rule file sees them: in order, cut into episodes, copies told apart."""

from collections.abc import Mapping, Sequence
from operator import attrgetter

from analyzer.sight import Sight
from collector.event import ORDER, Event


class Episode:
    """One piece of work: from its begin to its end, and what came after."""

    __slots__ = (
        "_all", "_once", "begin", "correlation_id", "end", "ended_by", "events", "flow", "type",
    )  # fmt: skip

    def __init__(
        self, correlation_id: str, number: int, type: str, events: Sequence[Event]
    ) -> None:
        self.correlation_id = correlation_id
        self.flow = correlation_id if number == 1 else f"{correlation_id}#{number}"
        self.type = type
        self.events = events
        self.begin: Event | None = None
        self.end: int | None = None
        """E: the time of the ending event, or begin + within; None while neither is known."""
        self.ended_by: Event | None = None
        self._all: dict[str, list[Event]] = {}
        for event in events:
            some = self._all.get(event.name)
            if some is None:
                self._all[event.name] = [event]
            else:
                some.append(event)
        # Where no name is there twice, nothing is a copy.
        self._once = self._all if len(self._all) == len(events) else _without_copies(self._all)

    def ids(self) -> set[str]:
        """The correlation IDs that are surely this flow's: not those of batches."""
        ids = {e.correlation_ids[0] for e in self.events if len(e.correlation_ids) == 1}
        return ids | {self.correlation_id}

    def unseen_since(
        self, sight: Sight, names: frozenset[str], start: int | None, event: Event
    ) -> str | None:
        """Why it proves nothing that none of these names was seen before this event, since
        `start` or the flow's begin; None where it does."""
        if self.begin is not None:
            start = self.begin.time if start is None else max(start, self.begin.time)
        elif start is None:
            start = event.time - sight.retention
        return sight.unseen_since(names, start, event, self.ids())

    def by_name(self, *, copies: bool) -> Mapping[str, Sequence[Event]]:
        """The events of each name, in order; of copies only the first, or all."""
        return self._all if copies else self._once

    def in_order(self, *, copies: bool) -> Sequence[Event]:
        """All events; of copies only the first, or all."""
        if copies or self._once is self._all:
            return self.events
        return sorted((e for some in self._once.values() for e in some), key=ORDER)

    def of(self, names: tuple[str, ...], *, copies: bool = False) -> Sequence[Event]:
        """The events with one of these names, in order; of copies only the first, or all."""
        index = self._all if copies else self._once
        if len(names) == 1:
            return index.get(names[0], ())
        found = [event for name in names for event in index.get(name, ())]
        found.sort(key=ORDER)
        return found


def _without_copies(events: Mapping[str, Sequence[Event]]) -> dict[str, list[Event]]:
    """Of events with one name and one event id only the first."""
    kept: dict[str, list[Event]] = {}
    for name, some in events.items():
        seen: set[str] = set()
        kept[name] = found = []
        for event in some:
            if event.id is None:
                found.append(event)
            elif event.id not in seen:
                seen.add(event.id)
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
) -> list[Episode]:
    """The events of one flow, in any order of arrival, as its episodes: `id`, `id#2`, …"""
    rest = in_order(events)
    found: list[Episode] = []
    while rest:
        begin = None
        for number, event in enumerate(rest):
            if event.name in begins:
                begin = number
                break
        end, ended_by, cut = None, None, len(rest)
        if begin is not None:
            end = None if within is None else rest[begin].time + within
            for i in range(begin + 1, len(rest)):
                event = rest[i]
                if ended_by is None and (end is None or event.time <= end) and event.name in ends:
                    end, ended_by = event.time, event
                elif event.name in begins and (
                    ended_by is not None or (end is not None and event.time > end)
                ):
                    cut = i
                    break
        episode = Episode(flow, len(found) + 1, type, rest[:cut])
        if begin is not None:
            episode.begin, episode.end, episode.ended_by = rest[begin], end, ended_by
        found.append(episode)
        rest = rest[cut:]
    return found


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
    if later.partition == earlier.partition and later.topic_id == earlier.topic_id:
        # One partition: its offsets say which was first, and an event is not after itself.
        return later.source == earlier.source and later.offset > earlier.offset
    return tie


def skew_between(rule_skew: int | None, sight: Sight, one: Event, other: Event) -> int:
    return sight.skew(one.source, other.source) if rule_skew is None else rule_skew
