"""Why something is missing from a flow: what was seen is gathered from the store, and judged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analyzer.consumers.course import Course, State, courses
from analyzer.consumers.stored import CommitsAsked
from analyzer.consumers.verdict import TIMES, verdict
from analyzer.episode import Episode
from analyzer.instance import Instance
from analyzer.judge import judge
from analyzer.kinds.handled import CUT_BACK
from analyzer.rules.rule import Rule
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.rules.services import Service
from analyzer.why.letters import Letter, is_letter_topic, letter_of
from analyzer.why.seen import Consumption, Seen
from analyzer.why.steps import Step, race_of, step_of
from analyzer.why.table import Why, why
from collector.consumers.history import REPEAT_EVERY
from collector.consumers.observation import NEVER_LOOKED, CommitRow, WatchRow
from collector.event import Event
from collector.store import observed, reading
from collector.times import US_PER_S, format_time
from ui.flow_queries import FlowReader
from ui.models import RuledOut, WhyItem
from ui.rows import moment

MOST = 1_000
"""So many events beside a flow's own are looked at, those with its key first."""
AFTER = 3_600 * US_PER_S
"""So long after a deadline letters of the event are looked for."""
SPARE = 60 * US_PER_S
BUSY = 10 * US_PER_S
"""A group that committed something in that time is at work."""
LACKING = ("missing", "late", "unknown", "pending")
ASKED = ("missing", "late", "unknown", "violated")
"""Before what is awaited still."""
MOST_ASKED = 50
"""So many instances of a flow are explained at once."""


@dataclass(frozen=True)
class Lack:
    """An instance that lacks something, with all that it was judged by."""

    flow: str
    file: RuleFile
    rule: Rule
    episode: Episode
    instance: Instance


class WhyReader:
    """Within the transaction of a reader of flows: all of one moment."""

    def __init__(self, reader: FlowReader, rules: RuleSet) -> None:
        self._reader = reader
        self._cursor = reader.cursor
        self._rules = rules
        self._watches = {watch.source: watch for watch in observed.watches(reader.cursor)}

    def explain(self, flow_or_key: str, expectation: str | None) -> list[WhyItem] | None:
        """None: there is no such flow."""
        whole = self._reader.whole(flow_or_key)
        if whole is None:
            return None
        lacks = list(self._lacks(whole.flow, whole.events))
        if expectation is not None:
            lacks = [one for one in lacks if one.rule.options.name == expectation]
        told = [one for one in lacks if one.instance.state in ASKED or _overdue(one, self._reader)]
        return [self._item(one, whole.events) for one in (told or lacks)[:MOST_ASKED]]

    def _lacks(self, flow: str, events: Sequence[Event]) -> Iterator[Lack]:
        names = {event.name for event in events}
        for file in self._rules.files:
            if not file.concerned(names):
                continue
            for one in judge(flow, events, file, self._reader.sight):
                for instance in one.instances:
                    rule = self._rules.by_name[file.flow, instance.expectation]
                    if instance.state in LACKING or race_of(instance, one.episode, rule):
                        yield Lack(flow, file, rule, one.episode, instance)

    def _item(self, lack: Lack, events: Sequence[Event]) -> WhyItem:
        file, instance = lack.file, lack.instance
        step = step_of(instance, lack.episode, lack.rule, file.services)
        seen = self._seen(lack, step, events)
        told: Why = why(instance, lack.episode, lack.rule, file.services, seen)
        return WhyItem(
            type=file.flow,
            deadline=moment(instance.deadline),
            flow=lack.flow,
            expectation=instance.expectation,
            verdict=told.verdict,
            confidence=told.confidence,
            text=told.text,
            evidence=[dict(one) for one in told.evidence],
            ruled_out=[RuledOut(verdict=word, why=reason) for word, reason in told.ruled_out],
        )

    # What was seen

    def _seen(self, lack: Lack, step: Step, events: Sequence[Event]) -> Seen:
        sight = self._reader.sight.under(lack.file.naming)
        cause, until = step.cause, lack.instance.deadline
        if step.act is not None:
            until = step.act.time
        consumption = {}
        if cause is not None:
            asked = CommitsAsked(self._cursor, frozenset(step.groups))
            for group in step.groups:
                consumption[group] = self._consumption(asked, group, cause, until)
        hiding = sight.hiding(step.awaited)
        producers = {}
        if hiding is not None and (
            who := self._holder(hiding.source, hiding.topic, hiding.partition)
        ):
            producers[hiding.source, hiding.topic, hiding.partition] = who
        strays = self._strays(lack, step)
        return Seen(
            sight,
            consumption,
            self._letters(cause, until, events, lack.file.services),
            strays,
            self._shared(lack, strays),
            producers,
        )

    def _letters(
        self, cause: Event | None, until: int | None, events: Sequence[Event],
        services: Sequence[Service],
    ) -> list[Letter]:  # fmt: skip
        """Of the flow's own events, and of those on the topics of dead letters and retries."""
        beside: list[Event] = []
        topics = sorted(
            {
                state.topic
                for state in reading.partitions(self._cursor)
                if cause is not None
                and state.source == cause.source
                and is_letter_topic(state.topic, services)
            }
        )
        if cause is not None and topics:
            end = max(cause.time, until or self._reader.sight.newest()) + AFTER
            beside = reading.events(
                self._cursor,
                "WHERE source = ? AND topic IN (SELECT unnest(?::VARCHAR[])) "
                "AND time BETWEEN make_timestamp(?) AND make_timestamp(?) "
                "AND (? IS NULL OR key IS NULL OR key = ? OR id = ?) "
                "ORDER BY coalesce(key = ?, false) DESC, time LIMIT ?",
                [
                    cause.source,
                    topics,
                    cause.time - SPARE,
                    end,
                    *[cause.key] * 2,
                    cause.id,
                    cause.key,
                    MOST,
                ],
            )
        every = {event.seq: event for event in (*events, *beside)}
        letters = (letter_of(event, services) for event in every.values())
        return [one for one in letters if one is not None]

    def _strays(self, lack: Lack, step: Step) -> list[Event]:
        """Events of the awaited names that carry no correlation ID, from the cause to the
        deadline and a little after."""
        if not step.awaited or step.cause is None:
            return []
        names = lack.file.stored_names(step.awaited)
        if names is None:
            return []
        sight = self._reader.sight
        end = lack.instance.deadline or sight.newest()
        found = reading.events(
            self._cursor,
            "WHERE name IN (SELECT unnest(?::VARCHAR[])) AND len(correlation_ids) = 0 "
            "AND time BETWEEN make_timestamp(?) AND make_timestamp(?) "
            "ORDER BY coalesce(key = ?, false) DESC, time LIMIT ?",
            [sorted(names), step.cause.time - sight.widest,
             max(end, step.cause.time) + sight.grace, step.cause.key, MOST],
        )  # fmt: skip
        return [
            event for event in found
            if not is_letter_topic(event.topic, lack.file.services)
            and not step.awaited.isdisjoint(lack.file.calls(event))
        ]  # fmt: skip

    def _shared(self, lack: Lack, strays: Sequence[Event]) -> frozenset[str]:
        """Values of keys that this flow and another one carry: they tell nothing of whose it is."""
        ours = {value for event in lack.episode.events for _, value in event.keys}
        asked = ours & {value for event in strays for _, value in event.keys}
        return frozenset(
            value for value in asked if set(self._reader.flows_of(value)) - {lack.flow}
        )

    def _holder(self, source: str, topic: str, partition: int) -> str | None:
        rows = observed.ends(
            self._cursor,
            'WHERE source = ? AND topic = ? AND "partition" = ? '
            "QUALIFY row_number() OVER (ORDER BY moment DESC) = 1",
            [source, topic, partition],
        )
        return rows[-1].hung if rows else None

    # Consumers

    def _consumption(
        self, asked: CommitsAsked, group: str, cause: Event, deadline: int | None
    ) -> Consumption:
        watch = self._watches.get(cause.source)
        unseen = asked.unwatched(cause.source, group)
        if unseen is None and watch is not None:
            unseen = _not_seen(watch, cause) or asked.denied(cause.source, group, watch.moment)
        if unseen is not None or watch is None:
            return Consumption(group, unseen or f"consumers of {cause.source} are not watched")
        passage = asked.passage(group, cause)
        at = watch.moment
        if passage.by is not None:
            late = (
                passage.not_by is not None and deadline is not None and passage.not_by >= deadline
            )
            at = passage.not_by if late and passage.not_by is not None else watch.moment
        return self._stood(Consumption(group, None, passage), watch, cause, at)

    def _stood(self, one: Consumption, watch: WatchRow, cause: Event, at: int) -> Consumption:
        """With the course of its partition, as it was known at that moment."""
        of = "WHERE source = ? AND {} AND moment BETWEEN make_timestamp(?) AND make_timestamp(?)"
        since = at - REPEAT_EVERY - SPARE
        where = [cause.topic, cause.partition, since, at]
        place = 'topic = ? AND "partition" = ?'
        groups = observed.groups(
            self._cursor, of.format('"group" = ?'), [cause.source, one.group, since, at]
        )
        commits = observed.commits(
            self._cursor, of.format('"group" = ?'), [cause.source, one.group, since, at]
        )
        found = courses(
            [WatchRow(watch.source, watch.began, at, watch.every, watch.groups)],
            groups,
            [
                row
                for row in commits
                if (row.topic, row.partition) == (cause.topic, cause.partition)
            ],
            observed.ends(self._cursor, of.format(place), [cause.source, *where]),
        )
        newest = {(row.topic, row.partition): row for row in commits}
        newest.pop((cause.topic, cause.partition), None)
        reads = any(row.topic == cause.topic and row.committed is not None for row in commits)
        busy = any(_at_work(row, at, TIMES * watch.every) for row in newest.values())
        state = None
        if groups:
            last = groups[-1]
            state = State(last.since, last.state, last.members, last.why)
        course = found[0] if found else None
        if course is not None and cause.offset >= course.committed and not course.waiting_since:
            # What is left are no mere markers, whatever the watch has seen of it so far.
            course = replace(course, waiting_since=cause.arrival)
        said = None if course is None else verdict(course)
        if one.passage is not None and one.passage.by is None and _came_after(course, cause):
            return Consumption(one.group, "consumers were last looked at before it was there")
        if said is not None and said.word in ("recreated", "unseen"):
            return Consumption(one.group, f"{one.group}: {said.because}", one.passage)
        reads = reads or (one.passage is not None and one.passage.by is not None)
        return Consumption(one.group, None, one.passage, course, said, busy, reads, state)


def _not_seen(watch: WatchRow, cause: Event) -> str | None:
    """Why it was not seen what became of this very event."""
    if CUT_BACK in cause.topic_id:
        return (
            f"the log of {cause.topic} was cut back, and commits do not tell which offset is meant"
        )
    if watch.moment == NEVER_LOOKED:
        return f"consumers of {watch.source} were not looked at yet" + _because(watch)
    if watch.moment <= cause.time:
        return f"consumers were last looked at {format_time(watch.moment)}" + _because(watch)
    return None


def _at_work(row: CommitRow, at: int, long: int) -> bool:
    """Whether a group moves there, and what it left has waited for long."""
    waits = row.waiting_since is not None and row.waiting_since <= at - long
    return waits and row.since >= at - max(BUSY, long)


def _came_after(course: Course | None, cause: Event) -> bool:
    """Whether it was not in its partition yet when that was last looked at."""
    return (
        course is not None
        and course.end is not None
        and course.topic_id == course.ends_topic_id == cause.topic_id
        and course.end.high_watermark <= cause.offset
    )


def _because(watch: WatchRow) -> str:
    return "" if watch.why is None else f": {watch.why}"


def _overdue(lack: Lack, reader: FlowReader) -> bool:
    """Pending past its deadline: its judgement is held, for not all can be seen."""
    due = lack.instance.due
    return due is not None and reader.sight.newest() > due
