"""A flow's events as one rule file sees them: in order, cut into episodes, copies told apart."""

from collections.abc import Sequence

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
        self._once: dict[str, list[Event]] = {}
        self._all: dict[str, list[Event]] = {}
        seen: set[tuple[str, str]] = set()
        for event in events:
            name = event.name
            self._all.setdefault(name, []).append(event)
            if event.id is not None:
                copy = (name, event.id)
                if copy in seen:
                    continue
                seen.add(copy)
            self._once.setdefault(name, []).append(event)

    def of(self, names: tuple[str, ...], *, copies: bool = False) -> Sequence[Event]:
        """The events with one of these names, in order; of copies only the first, or all."""
        index = self._all if copies else self._once
        if len(names) == 1:
            return index.get(names[0], ())
        found = [event for name in names for event in index.get(name, ())]
        found.sort(key=ORDER)
        return found


def episodes(
    flow: str,
    type: str,
    begins: tuple[str, ...],
    ends: tuple[str, ...],
    within: int | None,
    events: Sequence[Event],
) -> list[Episode]:
    """The events of one flow, in any order of arrival, as its episodes: `id`, `id#2`, …"""
    rest = sorted(events, key=ORDER)
    found: list[Episode] = []
    while rest:
        begin = next((i for i, e in enumerate(rest) if e.name in begins), None)
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
