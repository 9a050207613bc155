"""Flows out of the store, judged: as items of a list, and one of them with its timeline."""

from collections.abc import Callable, Container, Sequence
from typing import NamedTuple

import duckdb

from analyzer.clocks import stored_sight
from analyzer.consumers.stored import CommitsAsked
from analyzer.judge import Judged, judge
from analyzer.reading import findings_of
from analyzer.rules.ruleset import RuleSet
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.settings import PARENT
from collector.store import reading
from collector.store.spans import numbers
from collector.store.tied import (
    events_by_flow,
    flows_of_value,
    members,
    tied_flows_between,
)
from collector.ties import Ties, flows_of
from collector.times import format_time
from ui.models import FlowDetail, FlowItem
from ui.rows import finding_model, ghost, instance_model, timeline_event
from ui.whose_alert import alerts_of

FEW = 2_000
"""Events that are simply read; of more, the database is asked what they are."""


class Whole(NamedTuple):
    """A flow with its events, in order, and the flows that name it as their parent."""

    flow: str
    events: list[Event]
    children: list[str]


class FlowReader:
    """Reads and judges flows within one transaction: events and completeness of one moment."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        rules: RuleSet,
        ties: Ties | None = None,
        spellings: Callable[[str], Sequence[str]] = lambda text: [text],
    ) -> None:
        self.spellings = spellings
        self.cursor = cursor
        self.ties = ties
        self._rules = rules
        self._read = rules.read()
        partitions = reading.partitions(cursor)
        self.topics = {(one.source, one.topic) for one in partitions}
        self.sight: Sight = stored_sight(cursor, partitions)
        self.commits = CommitsAsked(cursor, rules.groups())
        self.sight.consumed = self.commits

    # Looking them up

    def flow(self, id: str) -> str:
        """The name of the flow that this correlation ID belongs to."""
        return id if self.ties is None else self.ties.flow(id)

    def ids(self, flow: str) -> list[str]:
        """All its correlation IDs, in order."""
        return [flow] if self.ties is None else self.ties.ids(flow)

    def texts(self, flow: str) -> list[str]:
        """The IDs and values under which spans know its events."""
        if self.ties is None:
            return [flow]
        return [*self.ties.ids(flow), *(value for _, value in self.ties.keys(flow))]

    def flows_of(self, text: str) -> list[str]:
        """The flows of which this is an ID, or a key's value."""
        stored_as = self._stored_as(text)
        seqs = numbers(self.cursor, stored_as, stored_as)
        flows = {self.flow(id) for id in reading.known_ids(self.cursor, seqs, stored_as)}
        return sorted(flows | self._flows_of_keys(seqs, stored_as))

    def _stored_as(self, text: str) -> list[str]:
        return list(dict.fromkeys([text, *self.spellings(text)]))

    def _flows_of_keys(self, seqs: Sequence[int], values: Sequence[str]) -> set[str]:
        """The flows of those events that carry a key of one of these values."""
        return {
            flow
            for value in values
            for flow in (
                reading.flows_of_key(self.cursor, seqs, value)
                if self.ties is None
                else flows_of_value(self.cursor, seqs, value, self.ties)
            )
        }

    def flows_between(self, low: int, top: int, text: str | None) -> list[tuple[int, str]]:
        """(newest event, flow) of the events with these numbers, the newest first.

        `text`: only flows one of whose IDs holds it.
        """
        if self.ties is None:
            return reading.flows_between(self.cursor, low, top, text)
        return tied_flows_between(self.cursor, low, top, text, self.ties)

    def flows_with(self, event: Event) -> tuple[str, ...]:
        """The flows that this event belongs to."""
        return flows_of(event, self.ties)

    def members(self, seqs: Sequence[int]) -> dict[int, set[str]]:
        """The flows of the events with these numbers."""
        return members(self.cursor, seqs, self.ties)

    def events(self, flows: Sequence[str]) -> dict[str, list[Event]]:
        """Their events, with what of them the rules read and no more."""
        return self._events(flows, self._read)

    def whole_events(self, flows: Sequence[str]) -> dict[str, list[Event]]:
        """Their events, with all that came with them."""
        return self._events(flows, None)

    def _events(self, flows: Sequence[str], read: Container[str] | None) -> dict[str, list[Event]]:
        return events_by_flow(self.cursor, flows, self.ties, read)

    # Judging them

    def item(self, flow: str, events: Sequence[Event]) -> FlowItem:
        return self._item(flow, events, self.judge(flow, events))

    def judge(self, flow: str, events: Sequence[Event]) -> list[Judged]:
        """Every rule file's view of the flow; files none of whose names occur have none."""
        names = {event.name for event in events}
        return [
            one
            for file in self._rules.files
            if file.concerned(names)
            for one in judge(flow, events, file, self.sight)
        ]

    def _item(self, flow: str, events: Sequence[Event], judged: Sequence[Judged]) -> FlowItem:
        main = _main(judged)
        keys: dict[str, list[str]] = {}
        for event in events:
            for name, value in event.keys:
                if value not in keys.setdefault(name, []):
                    keys[name].append(value)
        return FlowItem(
            flow=flow,
            aliases=self.ids(flow)[1:],
            type=main.episode.type if main else None,
            state=main.state if main else "open",
            began=format_time(min(event.time for event in events)),
            last=format_time(max(event.time for event in events)),
            events=len(events),
            names=list(dict.fromkeys(e.name for e in sorted(events, key=ORDER))),
            keys=keys,
            findings=sum(i.finding is not None for one in judged for i in one.instances),
        )

    # One flow

    def detail(self, flow_or_key: str) -> FlowDetail | None:
        found = self.whole(flow_or_key)
        return None if found is None else self._detail(found)

    def whole(self, flow_or_key: str) -> Whole | None:
        """The flow of this ID; or of an episode's; or the only flow with a key of this value."""
        base, mark, number = flow_or_key.rpartition("#")
        stored_as = self._stored_as(flow_or_key)
        ids = [flow_or_key, *([base] if mark and number.isdecimal() else []), *stored_as]
        seqs = numbers(self.cursor, ids, stored_as)
        if len(seqs) > FEW:
            known = reading.known_ids(self.cursor, seqs, ids)
            events = None
        else:
            events = reading.events_at(self.cursor, seqs)
            known = {id for event in events for id in event.correlation_ids}
        for id in ids:
            if id in known:
                whole = self.ties is None and base != id
                return self._whole(self.flow(id), events if whole else None)
        if events is None:
            by_key = self._flows_of_keys(seqs, stored_as)
        else:
            by_key = {f for e in events if _carries(e, stored_as) for f in self.flows_with(e)}
        return self._whole(by_key.pop()) if len(by_key) == 1 else None

    def _whole(self, flow: str, events: list[Event] | None = None) -> Whole:
        """`events`: its own and those that name it, if they are known already."""
        ids = self.ids(flow)
        if events is None:
            seqs = numbers(self.cursor, ids, self.texts(flow))
            events = reading.events_at(self.cursor, seqs)
        own = [event for event in events if flow in self.flows_with(event)]
        named_by = {
            child
            for event in events
            if any(key == PARENT and value in ids for key, value in event.keys)
            for child in self.flows_with(event)
        }
        return Whole(flow, sorted(own, key=ORDER), sorted(named_by.difference(ids)))

    def _detail(self, whole: Whole) -> FlowDetail:
        flow, events = whole.flow, whole.events
        judged = self.judge(flow, events)
        ghosts = [
            (instance.deadline, ghost(one.episode.type, instance))
            for one in judged
            for instance in one.instances
            if instance.lacks and instance.state in ("pending", "missing", "late", "unknown")
        ]
        placed = [
            (event.time, 0, number, timeline_event(event, events[number - 1] if number else None))
            for number, event in enumerate(events)
        ]
        # A ghost without a deadline waits for the flow's end: it stands last.
        last = events[-1].time
        haunted = [
            (last if at is None else at, 1, number, one) for number, (at, one) in enumerate(ghosts)
        ]
        timeline = [item for *_, item in sorted([*placed, *haunted], key=lambda entry: entry[:3])]
        ids = self.ids(flow)
        found = findings_of(self.cursor, ids)
        alerts = alerts_of(self.cursor, self._rules, [row for row, _ in found])
        named = dict.fromkeys(value for e in events for key, value in e.keys if key == PARENT)
        return FlowDetail(
            **self._item(flow, events, judged).model_dump(),
            parents=[self.flow(id) for id in named if id not in ids],
            children=whole.children,
            timeline=timeline,
            instances=[instance_model(one, i) for one in judged for i in one.instances],
            found=[finding_model(row, first, alerts.get(row.id)) for row, first in found],
        )


def _main(judged: Sequence[Judged]) -> Judged | None:
    """The view that names the flow: the newest episode that has begun, else the newest of all."""
    begun = [one for one in judged if one.episode.begin is not None]
    choice = begun or list(judged)
    return choice[-1] if choice else None


def _carries(event: Event, values: Sequence[str]) -> bool:
    return any(value in values for _, value in event.keys)
