"""What lies beside flows on the bus: letters of their events, and events without an ID.

Looked up for many flows at once; where that brings too much, for each by itself, with what bears
its key first: what is found for one does not depend on who else is asked about.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import duckdb

from analyzer.sight import Sight
from analyzer.why.lack import Lack
from analyzer.why.letters import Letter, is_letter_topic, letter_of
from collector.event import Event
from collector.store import reading, rollups
from collector.times import US_PER_S

MOST = 1_000
"""So many events beside a flow's own are looked at, those with its key first."""
AFTER = 3_600 * US_PER_S
"""So long after a deadline letters of the event are looked for."""
SPARE = 60 * US_PER_S


class _Wanted(NamedTuple):
    """Where to look for one lack; times are µs."""

    source: str
    of: frozenset[str]
    """Topics of letters, or names of what carries no ID."""
    start: int
    end: int
    key: str | None
    id: str | int | None


Look = Callable[[Sequence[_Wanted]], list[Event]]


class Beside:
    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, sight: Sight, topics: Iterable[tuple[str, str]]
    ) -> None:
        """`topics`: all that are known, each with its source."""
        self._cursor = cursor
        self._sight = sight
        self._topics = frozenset(topics)

    def letters(self, lacks: Sequence[Lack]) -> list[list[Letter]]:
        """Of each: among its flow's own events, and on the topics of dead letters and retries."""
        wanted = [self._where_letters_are(lack) for lack in lacks]
        found = _all_at_once(wanted, self._on_letter_topics, _may_be_of)
        return [
            [
                letter
                for event in {one.seq: one for one in (*lack.events, *beside)}.values()
                if (letter := letter_of(event, lack.services)) is not None
            ]
            for lack, beside in zip(lacks, found, strict=True)
        ]

    def strays(self, lacks: Sequence[Lack]) -> list[list[Event]]:
        """Of each: events of the awaited names that carry no correlation ID, from the cause to the
        deadline and a little after."""
        found = _all_at_once(
            [self._where_strays_are(lack) for lack in lacks], self._without_id, _is_named_so
        )
        return [
            [
                event
                for event in beside
                if not is_letter_topic(event.topic, lack.services)
                and not lack.step.awaited.isdisjoint(lack.file.calls(event))
            ]
            for lack, beside in zip(lacks, found, strict=True)
        ]

    def _where_letters_are(self, lack: Lack) -> _Wanted | None:
        cause = lack.step.cause
        if cause is None:
            return None
        topics = frozenset(
            topic
            for source, topic in self._topics
            if source == cause.source and is_letter_topic(topic, lack.services)
        )
        end = max(cause.time, lack.until or self._sight.newest()) + AFTER
        return _Wanted(cause.source, topics, cause.time - SPARE, end, cause.key, cause.id)

    def _where_strays_are(self, lack: Lack) -> _Wanted | None:
        cause, awaited = lack.step.cause, lack.step.awaited
        names = lack.file.stored_names(awaited) if awaited else None
        if cause is None or names is None:
            return None
        end = max(lack.instance.deadline or self._sight.newest(), cause.time) + self._sight.grace
        start = cause.time - self._sight.widest
        return _Wanted("", frozenset(names), start, end, cause.key, None)

    def _on_letter_topics(self, wanted: Sequence[_Wanted]) -> list[Event]:
        keys = [one.key for one in wanted]
        return self._events(
            "list_contains(?::VARCHAR[], source) AND topic IN (SELECT unnest(?::VARCHAR[])) AND "
            "(? OR key IS NULL OR list_contains(?::VARCHAR[], key) OR "
            "list_contains(?::VARCHAR[], id))",
            [
                sorted({one.source for one in wanted}), _of_all(wanted), None in keys,
                [key for key in keys if key is not None],
                [one.id for one in wanted if one.id is not None],
            ],
            wanted,
        )  # fmt: skip

    def _without_id(self, wanted: Sequence[_Wanted]) -> list[Event]:
        names = _of_all(wanted)
        after = rollups.untied_after(self._cursor, names, *_span(wanted))
        named = "list_contains(?::VARCHAR[], name) AND len(correlation_ids) = 0 AND seq > ?"
        return self._events(named, [names, after], wanted)

    def _events(
        self, condition: str, parameters: Sequence[object], wanted: Sequence[_Wanted]
    ) -> list[Event]:
        keys = [one.key for one in wanted if one.key is not None]
        # Mostly there are none: their numbers alone are planned and looked for in half the time.
        rows = self._cursor.execute(
            f"SELECT seq FROM events WHERE {condition} AND time BETWEEN make_timestamp(?) AND "
            "make_timestamp(?) ORDER BY coalesce(list_contains(?::VARCHAR[], key), false) DESC, "
            "time, seq LIMIT ?",
            [*parameters, *_span(wanted), keys, MOST + 1],
        ).fetchall()
        seqs = [seq for (seq,) in rows]
        found = {event.seq: event for event in reading.events_at(self._cursor, seqs)}
        return [found[seq] for seq in seqs]


def _span(wanted: Sequence[_Wanted]) -> tuple[int, int]:
    return min(one.start for one in wanted), max(one.end for one in wanted)


def _all_at_once(
    wanted: Sequence[_Wanted | None], look: Look, fits: Callable[[_Wanted, Event], bool]
) -> list[list[Event]]:
    """What is found for each of them; nothing for None, or where there is nothing to look at."""
    asked = {number: one for number, one in enumerate(wanted) if one is not None and one.of}
    found = _looked_up(asked, look, fits) if asked else {}
    return [found.get(number, []) for number in range(len(wanted))]


def _looked_up(
    asked: Mapping[int, _Wanted], look: Look, fits: Callable[[_Wanted, Event], bool]
) -> dict[int, list[Event]]:
    events = look(list(asked.values()))
    if len(events) > MOST and len(asked) > 1:
        return {n: _looked_up({n: one}, look, fits)[n] for n, one in asked.items()}
    return {number: _of_one(one, events[:MOST], fits) for number, one in asked.items()}


def _of_one(
    one: _Wanted, events: Iterable[Event], fits: Callable[[_Wanted, Event], bool]
) -> list[Event]:
    """Those with its key first, and in the order of time."""
    found = [e for e in events if one.start <= e.time <= one.end and fits(one, e)]
    return sorted(found, key=lambda event: one.key is None or event.key != one.key)


def _may_be_of(one: _Wanted, event: Event) -> bool:
    """Whether a letter's topic, and its key or ID, do not tell that it is of something else."""
    if event.source != one.source or event.topic not in one.of:
        return False
    if one.key is None or event.key is None or event.key == one.key:
        return True
    return one.id is not None and event.id == one.id


def _is_named_so(one: _Wanted, event: Event) -> bool:
    return event.name in one.of


def _of_all(wanted: Iterable[_Wanted]) -> list[str]:
    return sorted(set().union(*(one.of for one in wanted)))
