"""The list of flows: whatever is looked at for a page, all pages are the whole list in order."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.clocks import Clocks
from analyzer.rules.loader import load
from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS
from collector.batch import Batch
from collector.event import Event
from collector.store.store import Store
from collector.store.tied import save_tying
from collector.ties import tied_flows
from tests.examples import examples
from tests.watching import happened, watch, write_events
from ui import flow_list
from ui.flow_queries import FlowReader
from ui.models import FlowPage
from ui.store_queries import StoreQueries

RULES = """
version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - {name: paid, after: order.created, expect: order.paid, within: 30s}
"""
IDS = [f"c-{number}" for number in range(8)]
TYING = {"s": frozenset({"order"})}
one_event = st.tuples(
    st.lists(st.sampled_from(IDS), max_size=2, unique=True),
    st.sampled_from(["1", "2", "c-3", None]),
    st.sampled_from(["order.created", "order.paid", "note"]),
    st.integers(0, 100),
)


def made(number: int, ids: list[str], value: str | None, name: str, time: int) -> Event:
    keys = () if value is None else (("order", value),)
    return Event("s", "t", "t", 0, number, time, time, name, tuple(ids), keys=keys)


def pages(queries: StoreQueries, limit: int, **filters: Any) -> Iterator[FlowPage]:
    cursor = None
    for _ in range(500):
        page = queries.flows(limit=limit, cursor=cursor, **filters)
        yield page
        cursor = page.next
        if cursor is None:
            return
    raise AssertionError("the list has no end")


@settings(max_examples=examples(30))
@given(
    st.lists(one_event, max_size=60),
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 9),
    st.sampled_from(
        [{}, {"q": "c-3"}, {"q": "c"}, {"q": "1"}, {"name": "note"}, {"without": "order.paid"},
         {"since": 50}, {"until": 50}, {"since": 60, "until": 40}]
    ),
)  # fmt: skip
def test_pages_are_what_grouping_all_events_gives(
    drawn: list[tuple[list[str], str | None, str, int]],
    tied: bool,
    limit: int,
    most: int,
    filters: dict[str, Any],
) -> None:
    events = [made(n, *one) for n, one in enumerate(drawn, 1)]
    tying = TYING if tied else {}
    flows = {name: (flow.ids, flow.events) for name, flow in tied_flows(events, tying).items()}

    def fits(ids: tuple[str, ...], own: tuple[Event, ...]) -> bool:
        names, times = {e.name for e in own}, [e.time for e in own]
        text = filters.get("q", "")
        return (
            ("name" not in filters or filters["name"] in names)
            and filters.get("without") not in names
            and max(times) >= filters.get("since", 0)
            and min(times) <= filters.get("until", 100)
            and (any(text in id for id in ids) or any(("order", text) in e.keys for e in own))
        )

    expected = sorted(
        (-max(e.offset for e in own), name) for name, (ids, own) in flows.items() if fits(ids, own)
    )
    with tempfile.TemporaryDirectory() as folder, mock.patch.multiple(
        flow_list, CHUNK=3, MOST_JUDGED=most, MOST_EVENTS=20, MOST_TIED_EVENTS=20, LARGEST=7
    ):  # fmt: skip
        store = Store(
            Path(folder) / "s.duckdb", tables=ANALYZER_TABLES, views=ANALYZER_VIEWS, run=5
        )
        try:
            Clocks().save(store)
            save_tying(store, tying)
            for start in range(0, len(events), 7):
                store.commit(Batch(events=events[start : start + 7])).result()
            queries = StoreQueries(store, lambda: load([]))
            listed = [item.flow for page in pages(queries, limit, **filters) for item in page.items]
        finally:
            store.close()
    if "q" in filters:
        # What has exactly this value comes first.
        assert sorted(listed) == sorted(name for _, name in expected)
    else:
        assert listed == [name for _, name in expected]


def test_a_late_event_brings_its_flow_to_the_top_and_no_page_shows_it_twice(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb", tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
    queries = StoreQueries(store, lambda: load([]))
    store.commit(Batch(events=[made(n, [f"f{n}"], None, "note", n) for n in range(6)])).result()
    first = queries.flows(limit=3)
    assert [item.flow for item in first.items] == ["f5", "f4", "f3"]
    store.commit(Batch(events=[made(9, ["f4"], None, "note", 0)])).result()
    rest = queries.flows(limit=9, cursor=first.next)
    assert [item.flow for item in rest.items] == ["f2", "f1", "f0"]
    assert [item.flow for item in queries.flows(limit=2).items] == ["f4", "f5"]
    store.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[StoreQueries, Path]]:
    """300 orders, of which the first two were never paid."""
    (tmp_path / "rules.yaml").write_text(RULES)
    events = [happened(n, "order.created", f"ord-{n:03}") for n in range(300)]
    events += [happened(n + 1, "order.paid", f"ord-{n:03}") for n in range(2, 300)]
    write_events(tmp_path / "events.jsonl", [*events, happened(900, "clock.struck", "clock")])
    watch(tmp_path / "events.jsonl", [tmp_path / "rules.yaml"], tmp_path / "s.duckdb")
    store = Store(tmp_path / "s.duckdb", tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
    yield StoreQueries(store, lambda: load([tmp_path / "rules.yaml"])), tmp_path / "rules.yaml"
    store.close()


def test_flows_that_failed_are_looked_up_and_not_looked_for(
    watched: tuple[StoreQueries, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, _ = watched
    read: list[str] = []
    before = FlowReader.events

    def events(self: FlowReader, flows: list[str]) -> Any:
        read.extend(flows)
        return before(self, flows)

    monkeypatch.setattr(FlowReader, "events", events)
    (page,) = pages(queries, 10, state="failed", type="order")
    assert [item.flow for item in page.items] == ["ord-001", "ord-000"]
    assert read == ["ord-001", "ord-000"]
    assert [p.items for p in pages(queries, 10, state="failed", type="refund")] == [[]]
    assert [i.flow for i in queries.flows(state="failed", q="ord-000").items] == ["ord-000"]
    pages_of_one = list(pages(queries, 1, state="failed"))
    assert [item.flow for page in pages_of_one for item in page.items] == ["ord-001", "ord-000"]


def test_by_rules_that_did_not_judge_the_store_flows_that_fail_are_looked_for(
    watched: tuple[StoreQueries, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, rules = watched
    rules.write_text(RULES.replace("order.paid", "order.refunded"))
    monkeypatch.setattr(flow_list, "MOST_JUDGED", 50)
    monkeypatch.setattr(flow_list, "CHUNK", 20)
    found = list(pages(queries, 1000, state="failed"))
    assert len(found) > 4, "one page judged more than it may"
    assert sum(len(page.items) for page in found) == 300


def test_a_page_looks_at_no_more_than_it_may_and_says_where_to_go_on(
    watched: tuple[StoreQueries, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, _ = watched
    monkeypatch.setattr(flow_list, "MOST_EVENTS", 250)
    monkeypatch.setattr(flow_list, "LARGEST", 250)
    found = list(pages(queries, 10, q="rd-000"))
    assert [len(page.items) for page in found] == [0, 1]
    assert [item.flow for item in found[-1].items] == ["ord-000"]
