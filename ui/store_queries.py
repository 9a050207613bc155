"""The questions answered from the store, whether a daemon runs on it or not."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version

import duckdb
import msgspec

from analyzer.clocks import Clocks, stored_sight
from analyzer.judge import RUNAWAY
from analyzer.reading import counts, judged_by
from analyzer.reading import findings as read_findings
from analyzer.rules.ruleset import RuleSet
from analyzer.undecided import Unknown, failures
from analyzer.why.summary import Reasons
from collector.export import export
from collector.selection import Selection
from collector.sources.condition import Condition
from collector.store import reading, rollups
from collector.store.store import Store
from collector.store.tied import MEMBERS, TIED_MEMBERS, StoredTies, lay_out, stored_tying
from collector.ties import Ties
from collector.times import NEVER, format_time
from ui.alert_history import standing
from ui.alert_models import AlertDetail, AlertWhy
from ui.alert_queries import AlertQueries, number
from ui.alert_reasons import reasons
from ui.consumer_queries import consumers
from ui.dropped_queries import dropped
from ui.expectation_queries import expectations
from ui.flow_list import FlowFilter, FlowList
from ui.flow_queries import FlowReader
from ui.models import (
    CatchingUp,
    CommonKey,
    ConsumerPage,
    Count,
    CountedBy,
    CountPage,
    DroppedPage,
    EventPage,
    ExpectationPage,
    FindingPage,
    FlowDetail,
    FlowPage,
    NameItem,
    NamePage,
    ServicePage,
    Status,
    WhyPage,
)
from ui.publishing import published_after
from ui.rows import event_item, finding_model, moment
from ui.service_queries import Lessons, services
from ui.sources import source_statuses
from ui.store_acts import the_alert
from ui.whose_alert import alerts_of, of_alert
from ui.why_queries import WhyReader

LATEST = 2**62
"""µs: later than any event."""
TAKEN_BACK_S = 0.3
"""A commit that failed is surely taken back by then."""


class StoreQueries(AlertQueries):
    """`rules` is asked each time, since rule files can change while the daemon runs."""

    def __init__(
        self,
        store: Store,
        rules: Callable[[], RuleSet],
        *,
        running: bool = False,
        held: Callable[[], int] = lambda: 0,
        queued: Callable[[], int] = lambda: 0,
        conditions: Callable[[], Mapping[str, Condition]] = dict,
        runaway: Callable[[], int] | None = None,
        unknown: Callable[[], Mapping[tuple[str, str], Unknown] | None] = lambda: None,
        spellings: Callable[[str], Sequence[str]] = lambda text: [text],
        catching_up: Callable[[], Mapping[str, CatchingUp]] = dict,
        rule_errors: Callable[[], list[str]] = list,
        role: str | None = None,
        link_base: Callable[[], str] = str,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`held`, `runaway`, `unknown`: as the running judge tells them; without one runaways are
        counted."""
        super().__init__(store, rules, link_base, clock)
        self._ties = StoredTies(store)
        self._lessons = Lessons()
        self._running = running
        self._held = held
        self._queued = queued
        self._conditions = conditions
        self._runaway = runaway
        self._unknown = unknown
        self._catching_up = catching_up
        self._rule_errors = rule_errors
        self._role = role
        self._spellings = spellings
        """All that a text may be stored as: a redacted value is searched for by its hash."""

    def flows(
        self,
        *,
        type: str | None = None,
        state: str | None = None,
        q: str | None = None,
        name: str | None = None,
        without: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> FlowPage:
        wanted = FlowFilter(type, state, q, name, without, since, until)
        with self._ties.reader() as (connection, ties):
            found = judged_by(connection) == self._rules().fingerprint()
            reader = self._flow_reader(connection, ties)
            return FlowList(reader, wanted, found).page(limit, cursor)

    def flow(self, flow_or_key: str) -> FlowDetail | None:
        with self._ties.reader() as (connection, ties):
            return self._flow_reader(connection, ties).detail(flow_or_key)

    def why(self, flow_or_key: str, expectation: str | None = None) -> WhyPage | None:
        with self._ties.reader() as (connection, ties):
            whys = self._why_reader(connection, ties)
            items = whys.explain(flow_or_key, expectation)
        return None if items is None else WhyPage(items=items)

    def alert(self, fingerprint: str) -> AlertDetail:
        found = super().alert(fingerprint)
        reasons = self.reasons(found.fingerprint)
        found.why = None if reasons is None else AlertWhy(**msgspec.to_builtins(reasons))
        return found

    def reasons(self, fingerprint: str, *, at_once: bool = False) -> Reasons | None:
        """Why the findings of an alert are there, of what is known now; `at_once`: of fewer,
        and by services that are learned already."""
        with self._ties.reader() as (connection, ties):
            alert = the_alert(connection, fingerprint)
            whys = self._why_reader(connection, ties, learn=not at_once)
            return reasons(connection, self._rules(), whys, alert, at_once=at_once)

    def _flow_reader(self, cursor: duckdb.DuckDBPyConnection, ties: Ties | None) -> FlowReader:
        return FlowReader(cursor, self._rules(), ties, self._spellings)

    def learn(self) -> None:
        """Who runs which step, for those who will ask."""
        with self._ties.reader() as (connection, ties):
            self._lessons.services(connection, ties, self._rules())

    def _why_reader(
        self, cursor: duckdb.DuckDBPyConnection, ties: Ties | None, *, learn: bool = True
    ) -> WhyReader:
        rules, lessons = self._rules(), self._lessons
        learned = partial(lessons.services, cursor, ties, rules) if learn else lessons.known
        return WhyReader(self._flow_reader(cursor, ties), rules, learned)

    def findings(
        self,
        *,
        expectation: str | None = None,
        state: str | None = None,
        flow: str | None = None,
        alert: str | None = None,
        since: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> FindingPage:
        conditions: list[str] = ["true"]
        parameters: list[object] = []
        for value, condition in (
            (expectation, "expectation = ?"),
            (state, "state = ?"),
            (flow, "(flow = ? OR correlation_id = ?)"),
            (since, "epoch_us(moment) >= ?"),
            (number("cursor", cursor), "seq < ?"),
        ):
            if value is not None:
                conditions.append(condition)
                parameters += [value] * condition.count("?")
        with self._store.reader() as connection:
            if alert is not None:
                of, whose = of_alert(connection, self._rules(), the_alert(connection, alert))
                conditions.append(of)
                parameters += whose
            clauses = f"WHERE {' AND '.join(conditions)} ORDER BY seq DESC LIMIT ?"
            rows = read_findings(connection, clauses, [*parameters, limit + 1])
            alerts = alerts_of(connection, self._rules(), [row for row, _ in rows])
        more = str(rows[limit - 1][0].seq) if len(rows) > limit else None
        items = [finding_model(row, first, alerts.get(row.id)) for row, first in rows[:limit]]
        return FindingPage(items=items, next=more)

    def events(
        self,
        *,
        after: int | None = None,
        topic: str | None = None,
        name: str | None = None,
        untied: bool = False,
        problems: bool = False,
        limit: int = 100,
    ) -> EventPage:
        conditions, parameters = ["true"], []
        for value, condition in ((after, "seq > ?"), (topic, "topic = ?"), (name, "name = ?")):
            if value is not None:
                conditions.append(condition)
                parameters.append(value)
        if problems:
            conditions.append("len(problems) > 0")
        order = "DESC" if after is None else "ASC"
        with self._ties.reader() as (connection, ties):
            if untied:
                conditions.append(_untied(connection, ties))
            clauses = f"WHERE {' AND '.join(conditions)} ORDER BY seq {order} LIMIT ?"
            found = reading.events(connection, clauses, [*parameters, limit])
        found.sort(key=lambda event: event.seq)
        last = str(found[-1].seq) if found else None
        return EventPage(items=[event_item(event) for event in found], next=last)

    def dropped(self) -> DroppedPage:
        with self._store.reader() as connection:
            tying = set().union(*stored_tying(connection).values())
            return DroppedPage(items=dropped(connection, sorted(tying)))

    def counts(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        by: CountedBy | None = None,
        limit: int = 10_000,
        cursor: str | None = None,
    ) -> CountPage:
        skip = number("cursor", cursor) or 0
        with self._store.reader() as connection:
            rows = rollups.per_minute(
                connection, since or 0, LATEST if until is None else until, by, limit + 1, skip
            )
        items = [
            Count(minute=format_time(minute), of=of, events=events, untied=untied, problems=wrong)
            for minute, of, events, untied, wrong in rows[:limit]
        ]
        return CountPage(items=items, next=str(skip + limit) if len(rows) > limit else None)

    def expectations(self) -> ExpectationPage:
        with self._store.reader() as connection:
            items = expectations(connection, self._rules(), self._clock(), self._unknown())
        return ExpectationPage(items=items)

    def consumers(self, *, group: str | None = None) -> ConsumerPage:
        with self._store.reader() as connection:
            return ConsumerPage(items=consumers(connection, self._rules(), group))

    def services(self, *, service: str | None = None, since: int | None = None) -> ServicePage:
        with self._ties.reader() as (connection, ties):
            sight = stored_sight(connection, reading.partitions(connection))
            return services(connection, ties, self._rules(), sight, self._lessons, service, since)

    def names(self) -> NamePage:
        with self._store.reader() as connection:
            seen = rollups.sightings(connection, 0)
        items = [
            NameItem(
                topic=one.topic,
                name=one.name,
                events=one.events,
                first=format_time(one.first),
                last=format_time(one.last),
            )
            for one in seen
        ]
        return NamePage(items=items)

    def export(self, wanted: Selection) -> Iterator[bytes]:
        return export(self._store, wanted)

    def status(self) -> Status:
        try:
            return self._status()
        except (ValueError, TypeError, duckdb.Error):
            # A commit that fails, for the disk is full, is taken back under its readers' eyes: what
            # they see then is nothing that ever was.
            time.sleep(TAKEN_BACK_S)
            return self._status()

    def _status(self) -> Status:
        rules = self._rules()
        with self._ties.reader() as (connection, ties):
            partitions = [p for p in reading.partitions(connection) if not p.retired]
            gaps = reading.gaps(connection)
            clocks = Clocks.stored(connection)
            sight = clocks.sight(partitions, gaps, reading.taken(connection))
            settled = sight.settled_to()
            gap_counts = {
                (p.source, p.topic_id, p.partition): sum(
                    (g.source, g.topic_id, g.partition) == (p.source, p.topic_id, p.partition)
                    for g in gaps
                )
                for p in partitions
            }
            totals = rollups.totals(connection)
            # Which of those without an ID a key ties, nobody has counted.
            untied = totals.untied if ties is None else _untied_now(connection, ties)
            conditions = self._conditions()
            sources = source_statuses(
                partitions,
                gap_counts,
                conditions,
                self._clock() if self._running else None,
            )
            catching_up = self._catching_up()
            for source in sources:
                source.catching_up = catching_up.get(source.name)
                if (condition := conditions.get(source.name)) is not None:
                    source.published_after = published_after(
                        connection, rules, clocks.grace, condition
                    )
            return Status(
                version=version("nonevent"),
                running=self._running,
                role=self._role,
                settled_to=None if settled == NEVER else moment(settled),
                held=self._held(),
                runaway=self._runaway() if self._runaway else _runaways(connection, ties),
                store=str(self._store.path),
                store_bytes=self._store.size(),
                store_full=self._store.full,
                events=totals.events,
                untied=untied,
                unnamed=totals.unnamed,
                common_keys=[] if ties is None else _common_keys(ties),
                problems=rollups.problems(connection),
                findings=counts(connection),
                alerts=standing(connection),
                outbox=_one(connection, "SELECT count(*) FROM outbox WHERE delivered IS NULL"),
                queued=self._queued(),
                expectations=rules.expectations(),
                rule_errors=self._rule_errors(),
                failures=failures(self._unknown() or {}),
                sources=sources,
            )


def _untied(connection: duckdb.DuckDBPyConnection, ties: Ties | None) -> str:
    """The condition of events in no flow."""
    if ties is None:
        return "len(correlation_ids) = 0"
    lay_out(connection, ties)
    return "len(correlation_ids) = 0 AND seq NOT IN (SELECT seq FROM by_key)"


def _runaways(connection: duckdb.DuckDBPyConnection, ties: Ties | None) -> int:
    members = MEMBERS if ties is None else TIED_MEMBERS  # laid out for what is untied
    return _one(
        connection,
        f"SELECT count(*) FROM (SELECT flow FROM ({members}) GROUP BY flow "
        f"HAVING count(*) > {RUNAWAY})",
    )


def _common_keys(ties: Ties) -> list[CommonKey]:
    values: dict[str, list[str]] = {}
    for key, value in ties.common:
        values.setdefault(key, []).append(value)
    return [
        CommonKey(key=key, values=len(found), example=min(found))
        for key, found in sorted(values.items())
    ]


def _untied_now(connection: duckdb.DuckDBPyConnection, ties: Ties) -> int:
    return _one(connection, f"SELECT count(*) FROM events WHERE {_untied(connection, ties)}")


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
