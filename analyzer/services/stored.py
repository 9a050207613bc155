"""The newest events of the store, and how far groups had come with them."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from analyzer.rules.ruleset import RuleSet
from analyzer.services.progress import Progress
from analyzer.services.sighting import Sighting
from analyzer.why.letters import is_letter_topic
from collector.consumers.history import NEWEST_WITHIN
from collector.event import Event
from collector.store import observed
from collector.store.reading import CHUNK
from collector.ties import Ties, flows_of
from collector.times import US_PER_S

NEWEST = 100_000
"""So many of the newest events are looked at."""
CONTEXT = 0.1
"""Of these so large a share, the oldest, is not counted."""
MOST_COMMITS = 300_000
SPARE = 60 * US_PER_S
"""So long before the first of the events came it is looked how far groups were."""


@dataclass(frozen=True)
class Newest:
    """In the order of storing."""

    sightings: list[Sighting]
    arrived: int
    """When the first of these came; µs."""
    first: int
    """So many of the oldest are not counted: what came of them may have been stored before."""

    def letters(self, rules: RuleSet) -> frozenset[str]:
        """The topics of dead letters and retries."""
        services = [service for file in rules.files for service in file.services]
        topics = {one.topic for one in self.sightings}
        return frozenset(one for one in topics if is_letter_topic(one, services))


def newest_events(
    cursor: duckdb.DuckDBPyConnection, ties: Ties | None, most: int = NEWEST
) -> Newest:
    # The greatest of all would be looked for among all.
    newest = cursor.execute("SELECT seq FROM events ORDER BY seq DESC LIMIT 1").fetchall()
    if not newest:
        return Newest([], 0, 0)
    after = newest[0][0] - most
    ((arrived,),) = cursor.execute(
        "SELECT epoch_us(arrival) FROM events WHERE seq > ? ORDER BY seq LIMIT 1", [after]
    ).fetchall()
    older = cursor.execute("SELECT 1 FROM events WHERE seq <= ? LIMIT 1", [after]).fetchall()
    sightings = list(_sightings(cursor, ties, after))
    return Newest(sightings, arrived, int(len(sightings) * CONTEXT) if older else 0)


def _sightings(
    cursor: duckdb.DuckDBPyConnection, ties: Ties | None, after: int
) -> Iterator[Sighting]:
    # One ID, as nearly all have, is read in a third of the time of a list.
    found = cursor.execute(
        'SELECT source, topic, topic_id, "partition", "offset", epoch_us(time), name, id, '
        "CASE WHEN len(correlation_ids) = 1 THEN correlation_ids[1] END AS one_id, "
        "CASE WHEN one_id IS NULL THEN correlation_ids END, "
        f"CASE WHEN one_id IS NULL AND {ties is not None} THEN keys END "
        "FROM events WHERE seq > ? ORDER BY seq",
        [after],
    )
    same: dict[str, str] = {}
    once = same.setdefault
    flows: dict[str, tuple[str, ...]] = {}
    while rows := found.fetchmany(CHUNK):
        for source, topic, topic_id, partition, offset, time, name, id, only, ids, keys in rows:
            if only is None:
                event = Event(source, "", "", 0, 0, 0, 0, "", tuple(ids), None, _pairs(keys))
                of = flows_of(event, ties)
            elif (of := flows.get(only, ())) == ():
                of = flows[only] = (only if ties is None else ties.flow(only),)
            yield Sighting(
                once(source, source), once(topic, topic), once(topic_id, topic_id), partition,
                offset, time, once(name, name), of, id,
            )  # fmt: skip


def _pairs(keys: dict[str, str] | None) -> tuple[tuple[str, str], ...]:
    return () if keys is None else tuple(keys.items())


def progress_with(cursor: duckdb.DuckDBPyConnection, newest: Newest) -> Progress:
    """How far groups had come with the topics of these events, while these came in."""
    since = newest.arrived - SPARE
    earlier = since - NEWEST_WITHIN
    # Of what was before, the last is enough: it tells what had been committed when they came.
    commits = observed.commits(
        cursor,
        "WHERE moment >= make_timestamp(?) AND topic IN (SELECT unnest(?::VARCHAR[])) "
        "QUALIFY (moment >= make_timestamp(?) OR row_number() OVER (PARTITION BY source, "
        '"group", topic_id, "partition", moment >= make_timestamp(?) ORDER BY moment DESC) = 1) '
        "AND row_number() OVER (ORDER BY moment DESC) <= ?",
        [earlier, sorted({one.topic for one in newest.sightings}), since, since, MOST_COMMITS],
    )
    groups = observed.groups(cursor, "WHERE moment >= make_timestamp(?)", [earlier])
    return Progress(commits, observed.watches(cursor), groups)
