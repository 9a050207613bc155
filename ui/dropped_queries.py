"""Who drops correlation IDs: events without one whose key says that their flow has one."""

from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from collector.settings import PARENT
from collector.store.reading import beside
from collector.ties import MOST_CARRIERS
from collector.times import format_time
from ui.models import Dropped

PRODUCER_HEADERS = ("producer", "ce_source", "service")
"""The first of these that an event has names its producer."""

# Temporary, since the headers of the suspects are asked for in between.
_SUSPECTS = f"""
CREATE OR REPLACE TEMP TABLE suspects AS WITH entry AS (
    SELECT seq, correlation_ids AS ids, unnest(map_entries(keys)) AS e
    FROM events WHERE cardinality(keys) > 0
),
carried AS (
    SELECT e.key AS key, e.value AS value, min(ids[1]) AS flow FROM entry
    WHERE len(ids) = 1 AND e.key <> '{PARENT}'
    GROUP BY ALL HAVING count(DISTINCT ids[1]) <= {MOST_CARRIERS}
),
lost AS (
    SELECT seq, min(flow) AS flow, bool_or(list_contains(?::VARCHAR[], key)) AS tied
    FROM entry JOIN carried ON e.key = key AND e.value = value WHERE len(ids) = 0 GROUP BY seq
)
SELECT seq, block, source, topic, name, len(correlation_ids) > 0 AS has_id,
    epoch_us(time) AS time, flow, coalesce(tied, false) AS tied, lost.seq IS NOT NULL AS dropped
FROM events LEFT JOIN lost USING (seq)
WHERE (source, topic, name) IN (
    SELECT (source, topic, name) FROM events WHERE seq IN (SELECT seq FROM lost)
)
"""
_DROPPED = """
WITH attributed AS (
    SELECT *, bool_or(has_id) OVER (PARTITION BY source, topic, name) AS others_have
    FROM suspects LEFT JOIN producers USING (seq)
),
said AS (
    SELECT *, min(time) FILTER (dropped) OVER (PARTITION BY source, topic, name, producer) AS since
    FROM attributed WHERE has_id OR (dropped AND (tied OR others_have))
)
SELECT source, topic, name, producer, count(*) FILTER (dropped),
    count(*) FILTER (has_id AND time >= since), since, max(time) FILTER (dropped),
    arg_max(flow, time) FILTER (dropped)
FROM said WHERE since IS NOT NULL
GROUP BY source, topic, name, producer, since ORDER BY since, source, topic, name, producer
"""


def dropped(cursor: duckdb.DuckDBPyConnection, tying: list[str]) -> list[Dropped]:
    """By topic, name and producer, the one that has dropped them for longest first.

    A key that ties proves it. Any other key does where events of the same name do carry an ID
    elsewhere: what never has one drops none.
    """
    cursor.execute(_SUSPECTS, [tying])
    places = cursor.execute("SELECT block, seq FROM suspects ORDER BY seq").fetchall()
    headers = [headers for headers, _ in beside(cursor, places)]
    columns = {
        "seq": pa.array([seq for _, seq in places], pa.int64()),
        "producer": pa.array([_producer(one) for one in headers], pa.string()),
    }
    cursor.register("producers", pa.table(columns))
    found = cursor.execute(_DROPPED).fetchall()
    cursor.execute("DROP TABLE suspects")
    return [
        Dropped(
            source=source,
            topic=topic,
            name=name,
            producer=producer,
            dropped=count,
            carried=carried,
            since=format_time(since),
            last=format_time(last),
            example=flow,
        )
        for source, topic, name, producer, count, carried, since, last, flow in found
    ]


def _producer(headers: str) -> str | None:
    named = dict(reversed(msgspec.json.decode(headers, type=list[tuple[str, Any]])))
    return next((str(named[name]) for name in PRODUCER_HEADERS if name in named), None)
