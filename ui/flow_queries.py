"""Flows out of the store: which there are, and one of them with its timeline."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import duckdb

from analyzer.clocks import Clocks
from analyzer.judge import Judged, judge
from analyzer.reading import findings
from analyzer.rules.ruleset import RuleSet
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.settings import PARENT
from collector.store import reading
from collector.store.tied import (
    MEMBERS,
    TIED_MEMBERS,
    children,
    events_of_tied_flows,
    flows_of_value,
    lay_out,
)
from collector.ties import Ties
from collector.times import format_time
from ui.errors import BadParameterError
from ui.models import FlowDetail, FlowItem, FlowPage
from ui.rows import finding_model, ghost, instance_model, timeline_event

CHUNK = 200
"""Flows that are judged at a time while a page is filled."""
SCANNED = 20_000
"""So many flows are judged for one page at most; the cursor goes on from there."""


@dataclass(frozen=True)
class FlowFilter:
    type: str | None
    state: str | None
    q: str | None
    name: str | None
    without: str | None
    since: int | None
    until: int | None


@dataclass(frozen=True)
class _Listed:
    """One row of the list, before it is judged."""

    flow: str
    began: int
    last: int
    events: int
    names: list[str]


class FlowReader:
    """Reads and judges flows within one transaction: events and completeness of one moment."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        rules: RuleSet,
        clocks: Clocks,
        ties: Ties | None = None,
        spellings: Callable[[str], Sequence[str]] = lambda text: [text],
    ) -> None:
        self._spellings = spellings
        self._cursor = cursor
        self._ties = ties
        self._rules = rules
        self.sight: Sight = clocks.sight(
            reading.partitions(cursor), reading.gaps(cursor), reading.taken(cursor)
        )

    # The list

    def page(self, wanted: FlowFilter, limit: int, cursor: str | None) -> FlowPage:
        """Flows with the newest event first, judged until the page is full."""
        if self._ties is not None:
            lay_out(self._cursor, self._ties)
        items: list[FlowItem] = []
        scanned, at = 0, _parse_cursor(cursor)
        while scanned < SCANNED:
            rows = self._listed(wanted, at, min(CHUNK, max(limit * 2, 20)))
            if not rows:
                return FlowPage(items=items, next=None)
            for row, item in zip(rows, self._items(rows), strict=True):
                at = (row.last, row.flow)
                scanned += 1
                if wanted.type not in (None, item.type) or wanted.state not in (None, item.state):
                    continue
                items.append(item)
                if len(items) == limit:
                    return FlowPage(items=items, next=f"{at[0]}:{at[1]}")
        return FlowPage(items=items, next=f"{at[0]}:{at[1]}" if at else None)

    def _listed(
        self, wanted: FlowFilter, after: tuple[int, str] | None, limit: int
    ) -> list[_Listed]:
        having, parameters = self._conditions(wanted)
        if after is not None:
            having.append("(last < ? OR (last = ? AND flow > ?))")
            parameters += [after[0], after[0], after[1]]
        members = MEMBERS if self._ties is None else TIED_MEMBERS
        rows = self._cursor.execute(
            f"WITH member AS ({members}), "
            "listed AS (SELECT flow, min(time) AS began, max(time) AS last, "
            "count(*) AS n, list(DISTINCT name ORDER BY name) AS names FROM member GROUP BY flow) "
            f"SELECT flow, began, last, n, names FROM listed WHERE {' AND '.join(having)} "
            "ORDER BY last DESC, flow LIMIT ?",
            [*parameters, limit],
        ).fetchall()
        return [_Listed(*row) for row in rows]

    def _conditions(self, wanted: FlowFilter) -> tuple[list[str], list[object]]:
        having = ["true"]
        parameters: list[object] = []
        if wanted.q is not None:
            # A flow one of whose IDs holds the text, or that carries a key of exactly this value.
            having.append("(contains(flow, ?) OR list_contains(?::VARCHAR[], flow))")
            stored_as = self._spellings(wanted.q)
            joined = {} if self._ties is None else self._ties.joined()
            by_alias = [flow for id, flow in joined.items() if wanted.q in id]
            by_key = [flow for value in stored_as for flow in self.flows_of_key(value)]
            parameters += [wanted.q, [*stored_as, *by_alias, *by_key]]
        for value, condition in (
            (wanted.name, "list_contains(names, ?)"),
            (wanted.without, "NOT list_contains(names, ?)"),
            (wanted.since, "last >= ?"),
            (wanted.until, "began <= ?"),
        ):
            if value is not None:
                having.append(condition)
                parameters.append(value)
        return having, parameters

    def flows_of_key(self, value: str) -> list[str]:
        """The flows with an event that carries a key of this value."""
        if self._ties is not None:
            return flows_of_value(self._cursor, value, self._ties)
        return reading.flows_of_key(self._cursor, value)

    def _events(self, flows: Sequence[str]) -> dict[str, list[Event]]:
        if self._ties is None:
            return reading.events_of_flows(self._cursor, flows)
        return events_of_tied_flows(self._cursor, flows, self._ties)

    def _flow(self, id: str) -> str:
        return id if self._ties is None else self._ties.flow(id)

    def _ids(self, flow: str) -> list[str]:
        return [flow] if self._ties is None else self._ties.ids(flow)

    def _items(self, rows: Sequence[_Listed]) -> Iterator[FlowItem]:
        members = self._events([row.flow for row in rows])
        for row in rows:
            events = members[row.flow]
            judged = self.judge(row.flow, events)
            yield self._item(row, events, judged)

    def judge(self, flow: str, events: Sequence[Event]) -> list[Judged]:
        """Every rule file's view of the flow; files none of whose names occur have none."""
        names = {event.name for event in events}
        return [
            one
            for file in self._rules.files
            if names & file.names()
            for one in judge(flow, events, file, self.sight)
        ]

    def _item(self, row: _Listed, events: Sequence[Event], judged: Sequence[Judged]) -> FlowItem:
        main = _main(judged)
        keys: dict[str, list[str]] = {}
        for event in events:
            for name, value in event.keys:
                if value not in keys.setdefault(name, []):
                    keys[name].append(value)
        return FlowItem(
            flow=row.flow,
            aliases=self._ids(row.flow)[1:],
            type=main.episode.type if main else None,
            state=main.state if main else "open",
            began=format_time(row.began),
            last=format_time(row.last),
            events=row.events,
            names=list(dict.fromkeys(e.name for e in sorted(events, key=ORDER))),
            keys=keys,
            findings=sum(i.finding is not None for one in judged for i in one.instances),
        )

    # One flow

    def detail(self, flow_or_key: str) -> FlowDetail | None:
        """The flow of this ID; or of an episode's; or the only flow with a key of this value."""
        for id in self._candidates(flow_or_key):
            flow = self._flow(id)
            events = self._events([flow])[flow]
            if events:
                return self._detail(flow, sorted(events, key=ORDER))
        return None

    def _candidates(self, flow_or_key: str) -> Iterator[str]:
        yield flow_or_key
        base, mark, number = flow_or_key.rpartition("#")
        if mark and number.isdecimal():
            yield base
        stored_as = self._spellings(flow_or_key)
        yield from stored_as
        by_key = {flow for value in stored_as for flow in self.flows_of_key(value)}
        if len(by_key) == 1:
            yield by_key.pop()

    def _detail(self, flow: str, events: list[Event]) -> FlowDetail:
        judged = self.judge(flow, events)
        row = _Listed(
            flow, events[0].time, events[-1].time, len(events), sorted({e.name for e in events})
        )
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
        ids = self._ids(flow)
        of_flow = 'WHERE list_contains(?::VARCHAR[], correlation_id) ORDER BY "at", id'
        found = findings(self._cursor, of_flow, [ids])
        named = dict.fromkeys(value for e in events for key, value in e.keys if key == PARENT)
        return FlowDetail(
            **self._item(row, events, judged).model_dump(),
            parents=[self._flow(id) for id in named if id not in ids],
            children=children(self._cursor, ids, self._ties),
            timeline=timeline,
            instances=[instance_model(one, i) for one in judged for i in one.instances],
            found=[finding_model(row, first) for row, first in found],
        )


def _main(judged: Sequence[Judged]) -> Judged | None:
    """The view that names the flow: the newest episode that has begun, else the newest of all."""
    begun = [one for one in judged if one.episode.begin is not None]
    choice = begun or list(judged)
    return choice[-1] if choice else None


def _parse_cursor(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    last, mark, flow = cursor.partition(":")
    if not mark or not last.removeprefix("-").isdecimal() or len(last) > 19:
        raise BadParameterError("cursor", "give the `next` of the page before, as it was")
    return int(last), flow
