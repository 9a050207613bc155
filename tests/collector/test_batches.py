"""Batches that are written together: as if one after another."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.batch import Batch, Gap, PartitionState
from collector.event import Event
from collector.store.columns import Columns
from collector.store.store import Store
from collector.store.tables import Table
from tests.collector.busy import busy
from tests.examples import examples


class Noted(msgspec.Struct):
    who: str
    what: int


ALL = Table("all_of_it", Noted, {"who": "VARCHAR", "what": "BIGINT"})
LATEST = Table("latest", Noted, {"who": "VARCHAR", "what": "BIGINT"}, primary_key=("who",))
KEPT = Table("kept", Noted, {"who": "VARCHAR", "what": "BIGINT"}, cache=True)
TABLES = (ALL, LATEST, KEPT)

texts = st.sampled_from(["a", "b", "", "ü\n'\"", "x" * 300])
times = st.integers(0, 10**15)
events = st.builds(
    Event, st.just("bus"), texts, texts, st.integers(0, 3), st.integers(0, 2**40), times, times,
    texts, st.lists(texts, max_size=2).map(tuple), st.none() | texts,
    st.lists(st.tuples(texts, texts), max_size=2, unique_by=lambda pair: pair[0]).map(tuple),
    st.none() | texts, st.just("[]"), st.none() | texts, st.just("text"),
    st.lists(texts, max_size=1).map(tuple),
)  # fmt: skip
states = st.builds(
    PartitionState, st.just("bus"), texts, st.just(""), st.integers(0, 2), times, times,
    complete_to=times,
)  # fmt: skip
gaps = st.builds(
    Gap, st.just("bus"), texts, st.just(""), st.integers(0, 2), times, times, texts, times, times
)
noted = st.lists(st.builds(Noted, texts, st.integers(0, 9)), max_size=3)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    batch = Batch(
        events=draw(st.lists(events, max_size=4)),
        partitions=draw(
            st.lists(states, max_size=3, unique_by=lambda one: (one.topic, one.partition))
        ),
        gaps=draw(st.lists(gaps, max_size=2)),
        rows=draw(
            st.fixed_dictionaries(
                {},
                optional={
                    ALL.name: noted,
                    LATEST.name: st.lists(
                        st.builds(Noted, texts, st.integers(0, 9)),
                        max_size=3,
                        unique_by=lambda row: row.who,
                    ),
                    KEPT.name: noted,
                },
            )
        ),
    )
    if batch.events and draw(st.booleans()):
        # As a tap hands them over that reads in a process of its own.
        batch.columns, batch.events = Columns.of(batch.events), []
    return batch


def stored(some: Sequence[Batch], *, together: bool) -> dict[str, list[Any]]:
    """All that a store holds of them."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store.duckdb", tables=TABLES, run=5)
        if together:
            with busy(store):
                futures = [store.commit(batch) for batch in some]
            for future in futures:
                future.result()
        else:
            for batch in some:
                store.commit(batch).result()
        # Counted and sealed up to where the last statement came: the views tell of all.
        shown = ["events", "payloads", "partitions", "gaps", "counts", *(t.name for t in TABLES)]
        with store.reader() as cursor:
            held = {
                name: sorted(cursor.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
                for name in shown
            }
        store.close()
        return held


@settings(max_examples=examples(30))
@given(st.lists(batches(), min_size=2, max_size=4))
def test_together_they_are_what_they_are_one_after_another(some: list[Batch]) -> None:
    assert stored(some, together=True) == stored(some, together=False)


def test_a_row_that_two_batches_replace_is_that_of_the_later_one() -> None:
    some = [Batch(rows={table.name: [Noted("a", n)] for table in TABLES}) for n in (1, 2)]
    held = stored(some, together=True)
    assert (held["latest"], held["kept"]) == ([("a", 2)], [("a", 2)])
    assert held["all_of_it"] == [("a", 1), ("a", 2)]
