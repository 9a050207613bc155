"""The tables of the store: their columns are the fields of the structs that fill them.

A part of the house that keeps rows of its own (findings, outgoing notifications) brings its
tables; the store creates and fills them all alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from collector.batch import Gap, PartitionState
from collector.consumers.observation import CommitRow, EndRow, GroupRow, WatchRow
from collector.event import Event

SCHEMA_VERSION = 6
META_SQL = "CREATE TABLE IF NOT EXISTS meta (key VARCHAR PRIMARY KEY, value VARCHAR)"

_ARROW = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "MAP(VARCHAR, VARCHAR)": pa.map_(pa.string(), pa.string()),
    "TIMESTAMP": pa.timestamp("us"),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "BOOLEAN": pa.bool_(),
    "BLOB": pa.binary(),
}


@dataclass(frozen=True)
class Table:
    """A table and the struct whose fields are its columns, in the same order."""

    name: str
    row: type[msgspec.Struct]
    columns: dict[str, str]
    """Column name to DuckDB type; µs integers become TIMESTAMP (UTC)."""
    primary_key: tuple[str, ...] = ()
    """Rows with an equal key are replaced. Only for small tables: a key costs an index."""
    cache: bool = False
    """It can be made again from others: nobody who reads a copy needs it. What is written is all
    of it, and what was there before goes."""

    def create_sql(self) -> str:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self.columns.items())
        key = f", PRIMARY KEY ({', '.join(self.primary_key)})" if self.primary_key else ""
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns}{key})"

    def selected(self) -> str:
        """Its columns as the fields of its struct: moments in µs."""
        return ", ".join(
            f'epoch_us("{name}")' if kind == "TIMESTAMP" else f'"{name}"'
            for name, kind in self.columns.items()
        )

    def insert_sql(self, view: str) -> str:
        verb = "INSERT OR REPLACE INTO" if self.primary_key else "INSERT INTO"
        return f"{verb} {self.name} SELECT * FROM {view}"

    def key(self, row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, name) for name in self.primary_key)

    def arrow(self, rows: Sequence[Any]) -> pa.Table:
        """The rows as columns; this is where most of a batch's Python time in the store goes."""
        arrays = [
            pa.array([getattr(row, name) for row in rows], type=_ARROW[kind])
            for name, kind in self.columns.items()
        ]
        return pa.Table.from_arrays(arrays, names=list(self.columns))


EVENTS = Table(
    "events",
    Event,
    {
        "source": "VARCHAR",
        "topic": "VARCHAR",
        "topic_id": "VARCHAR",
        "partition": "INTEGER",
        "offset": "BIGINT",
        "time": "TIMESTAMP",
        "arrival": "TIMESTAMP",
        "name": "VARCHAR",
        "correlation_ids": "VARCHAR[]",
        "id": "VARCHAR",
        "keys": "MAP(VARCHAR, VARCHAR)",
        "key": "VARCHAR",
        "encoding": "VARCHAR",
        "problems": "VARCHAR[]",
        "seq": "BIGINT",
        "block": "BIGINT",
    },
)
"""Without headers and payload, which lie in `payloads`; see `collector.store.columns`."""


class Payloads(msgspec.Struct, gc=False):
    """The headers and payloads of some events that were stored one after another."""

    block: int
    """The `seq` of the first of them."""
    data: bytes


# DuckDB would look for a compression again at every checkpoint, and find none.
PAYLOADS = Table(
    "payloads", Payloads, {"block": "BIGINT", "data": "BLOB USING COMPRESSION uncompressed"}
)

# A moment that is not known (never, for ever) is no TIMESTAMP: these two keep their µs.
PARTITIONS = Table(
    "partitions",
    PartitionState,
    {
        "source": "VARCHAR",
        "topic": "VARCHAR",
        "topic_id": "VARCHAR",
        "partition": "INTEGER",
        "next_offset": "BIGINT",
        "first_offset": "BIGINT",
        "high_watermark": "BIGINT",
        "last_stable_offset": "BIGINT",
        "hidden_since": "BIGINT",
        "epoch": "INTEGER",
        "complete_to": "BIGINT",
        "seen_from": "BIGINT",
        "blocked_since": "BIGINT",
        "carries": "VARCHAR[]",
        "retired": "BOOLEAN",
    },
    primary_key=("source", "topic", "topic_id", "partition"),
)

GAPS = Table(
    "gaps",
    Gap,
    {
        "source": "VARCHAR",
        "topic": "VARCHAR",
        "topic_id": "VARCHAR",
        "partition": "INTEGER",
        "from_offset": "BIGINT",
        "to_offset": "BIGINT",
        "reason": "VARCHAR",
        "from_time": "BIGINT",
        "to_time": "BIGINT",
        "carries": "VARCHAR[]",
    },
)


class Span(msgspec.Struct, gc=False):
    """Under which numbers a value occurs in one run of events; see `collector.store.spans`."""

    hash: int
    lo: int
    hi: int
    run: int
    seqs: tuple[int, ...] | None
    """None where they are too many, or of a store that knew of bounds alone."""


SPANS = Table(
    "spans",
    Span,
    {"hash": "UBIGINT", "lo": "BIGINT", "hi": "BIGINT", "run": "INTEGER", "seqs": "BIGINT[]"},
)


class Minute(msgspec.Struct, gc=False):
    """How many events of one name there are of a minute; see `collector.store.rollups`."""

    minute: int
    source: str
    topic: str
    name: str
    events: int
    untied: int
    problems: int


class ProblemMinute(msgspec.Struct, gc=False):
    """How many events of a minute have a problem."""

    minute: int
    source: str
    topic: str
    problem: str
    events: int


_OF_TOPIC = {"minute": "TIMESTAMP", "source": "VARCHAR", "topic": "VARCHAR"}
MINUTES = Table(
    "minutes",
    Minute,
    {**_OF_TOPIC, "name": "VARCHAR", "events": "BIGINT", "untied": "BIGINT", "problems": "BIGINT"},
)
PROBLEM_MINUTES = Table(
    "problem_minutes", ProblemMinute, {**_OF_TOPIC, "problem": "VARCHAR", "events": "BIGINT"}
)


class Age(msgspec.Struct, gc=False):
    """So far the store had come at a moment: what was stored before is older than that."""

    seq: int
    moment: int


class Taken(msgspec.Struct, frozen=True, gc=False):
    """Retention has deleted: since `moment`, of what happened up to `to_time` not all is there."""

    moment: int
    to_time: int


class LetGo(msgspec.Struct, frozen=True, gc=False):
    """Where keys tie: correlation IDs whose events were deleted, in the order of their numbers."""

    number: int
    """One more than that before; where one is left out, ties are to be made anew."""
    moment: int
    last: int
    """The newest event that was stored when they went: those behind it are not deleted."""
    ids: tuple[str, ...]


class CommonKey(msgspec.Struct, frozen=True, gc=False):
    """A tying value that too many correlation IDs carried, some of which were deleted since."""

    number: int
    """Of the deletion."""
    name: str
    value: str


LET_GO = Table(
    "let_go",
    LetGo,
    {"number": "BIGINT", "moment": "BIGINT", "last": "BIGINT", "ids": "VARCHAR[]"},
)
COMMON_KEYS = Table(
    "common_keys", CommonKey, {"number": "BIGINT", "name": "VARCHAR", "value": "VARCHAR"}
)
AGES = Table("ages", Age, {"seq": "BIGINT", "moment": "BIGINT"})
TAKEN = Table("taken", Taken, {"moment": "BIGINT", "to_time": "BIGINT"})

GROUPS = Table(
    "consumer_groups",
    GroupRow,
    {
        "moment": "TIMESTAMP",
        "source": "VARCHAR",
        "group": "VARCHAR",
        "type": "VARCHAR",
        "state": "VARCHAR",
        "members": "INTEGER",
        "since": "TIMESTAMP",
        "why": "VARCHAR",
    },
)
COMMITS = Table(
    "commits",
    CommitRow,
    {
        "moment": "TIMESTAMP",
        "source": "VARCHAR",
        "group": "VARCHAR",
        "topic": "VARCHAR",
        "topic_id": "VARCHAR",
        "partition": "INTEGER",
        "committed": "BIGINT",
        "since": "TIMESTAMP",
        "before": "TIMESTAMP",
        "end": "BIGINT",
        "waiting_since": "TIMESTAMP",
        "at_least": "BOOLEAN",
    },
)
ENDS = Table(
    "ends",
    EndRow,
    {
        "moment": "TIMESTAMP",
        "source": "VARCHAR",
        "topic": "VARCHAR",
        "topic_id": "VARCHAR",
        "partition": "INTEGER",
        "end": "BIGINT",
        "high_watermark": "BIGINT",
        "since": "TIMESTAMP",
        "before": "TIMESTAMP",
        "hung": "VARCHAR",
    },
)
WATCHES = Table(
    "consumer_watches",
    WatchRow,
    {
        "source": "VARCHAR",
        "began": "TIMESTAMP",
        "moment": "TIMESTAMP",
        "every": "BIGINT",
        "groups": "VARCHAR[]",
        "why": "VARCHAR",
    },
    primary_key=("source",),
)
OBSERVATIONS = (GROUPS, COMMITS, ENDS)
"""What was observed of consumers over time: it goes with its age."""

COLLECTOR_TABLES = (
    EVENTS, PAYLOADS, SPANS, MINUTES, PROBLEM_MINUTES, PARTITIONS, GAPS, AGES, TAKEN,
    LET_GO, COMMON_KEYS,
    *OBSERVATIONS, WATCHES,
)  # fmt: skip
