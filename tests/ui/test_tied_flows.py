"""Flows that keys tie, as the daemon leaves them and as people ask for them."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from analyzer.rules.loader import load
from collector.settings import StoreSettings
from nonevent.config import Configuration
from nonevent.opening import open_store
from nonevent.status_terminal import print_status
from nonevent.terminal import print_flow
from tests.watching import happened, watch, write_events
from ui.access import allowed_hosts
from ui.api import create_app
from ui.metrics import status_metrics
from ui.models import CommonKey
from ui.server import Server
from ui.store_queries import StoreQueries

RULES = """\
version: 1
flow: order
begins: order.created
ends: [order.completed]
expectations:
  - {name: payment follows, after: order.created, expect: order.paid, within: 30s}
  - {name: shipping follows, after: order.paid, expect: order.shipped, within: 30s}
"""

EVENTS = [
    # Two services with an ID of their own each, and one that lost it.
    happened(0, "order.created", "web-1", keys={"order_id": "1", "customer": "ann"}),
    happened(1, "order.paid", "pay-1", keys={"order_id": "1"}),
    happened(2, "order.shipped", keys={"order_id": "1", "parcel": "p-1"}),
    # The same without a key that ties: neither payment nor shipping are known to be its own.
    happened(10, "order.created", "web-2", keys={"customer": "ann"}),
    happened(11, "order.paid", keys={"customer": "ann"}),
    # Eleven orders of one number: it is no order number.
    *(happened(20 + n, "stock.counted", f"no-{n:02}", keys={"order_id": "0"}) for n in range(11)),
    happened(40, "stock.counted", keys={"order_id": "0"}),
    # Its key came before what carries it.
    happened(50, "order.paid", keys={"order_id": "3"}),
    happened(49, "order.created", "web-3", keys={"order_id": "3"}),
    happened(200, "clock.struck", "noon"),
]  # fmt: skip


@pytest.fixture
def queries(tmp_path: Path) -> Iterator[StoreQueries]:
    rules, events = tmp_path / "rules.yaml", tmp_path / "events.jsonl"
    rules.write_text(RULES)
    write_events(events, EVENTS)
    store = tmp_path / "store.duckdb"
    keys: dict[str, Any] = {
        name: {"from": [f"payload:{name}"], "ties": name == "order_id"}
        for name in ("order_id", "customer", "parcel")
    }
    watch(events, [rules], store, keys=keys)
    opened = open_store(Configuration(store=StoreSettings(path=store)), read_only=True)
    loaded = load([rules])
    yield StoreQueries(opened, lambda: loaded)
    opened.close()


def test_joined_flows_are_listed_once_with_their_aliases_and_all_their_events(queries) -> None:
    listed = {item.flow: item for item in queries.flows(limit=100).items}
    assert set(listed) == {"pay-1", "web-2", "web-3", "noon", *(f"no-{n:02}" for n in range(11))}
    tied = listed["pay-1"]
    assert tied.aliases == ["web-1"]
    assert tied.names == ["order.created", "order.paid", "order.shipped"]
    assert (tied.events, tied.type, tied.state, tied.findings) == (3, "order", "open", 0)
    assert tied.keys == {"order_id": ["1"], "customer": ["ann"], "parcel": ["p-1"]}
    assert listed["web-3"].events == 2
    assert listed["web-3"].aliases == []
    assert all(listed[f"no-{n:02}"].events == 1 for n in range(11))


@pytest.mark.parametrize("asked", ["pay-1", "web-1", "web-1#1", "1"])
def test_a_flow_is_found_by_each_of_its_ids_and_by_its_key(queries, asked: str) -> None:
    found = queries.flow(asked)
    assert found.flow == "pay-1"
    assert [item.name for item in found.timeline] == [
        "order.created",
        "order.paid",
        "order.shipped",
    ]


@pytest.mark.parametrize("asked", ["web-1", "eb-1", "1"])
def test_the_list_is_searched_by_aliases_and_keys(queries, asked: str) -> None:
    assert "pay-1" in {item.flow for item in queries.flows(q=asked).items}


def test_a_key_that_only_an_event_without_an_id_has_finds_its_flow(queries) -> None:
    assert queries.flow("p-1").flow == "pay-1"
    assert [item.flow for item in queries.flows(q="p-1").items] == ["pay-1"]


def test_pages_go_on_behind_joined_flows(queries) -> None:
    seen, cursor = [], None
    while True:
        page = queries.flows(limit=1, cursor=cursor)
        seen += [item.flow for item in page.items]
        if (cursor := page.next) is None:
            break
    assert len(seen) == len(set(seen)) == 15


def test_the_daemon_found_what_the_pages_judge(queries) -> None:
    found = queries.findings(limit=100).items
    assert {(f.flow, f.expectation, f.state) for f in found} == {
        ("web-2", "payment follows", "open"), ("web-3", "shipping follows", "open"),
    }  # fmt: skip
    for item in queries.flows(limit=100).items:
        detail = queries.flow(item.flow)
        assert item.findings == len(detail.found)
        assert item.findings == sum(f.flow == item.flow for f in found)


def test_aliases_are_shown_in_the_terminal_and_on_the_pages(queries) -> None:
    console = Console(record=True, width=120, file=io.StringIO())
    print_flow(queries.flow("web-1"), console)
    assert "also web-1" in console.export_text()
    app = create_app(
        queries, token=None, allowed_hosts=allowed_hosts("127.0.0.1"), ready=lambda: True
    )
    server = Server(app, host="127.0.0.1", port=0)
    server.start()
    try:
        for path in ("/flows/web-1", "/?type=order"):
            page = httpx.get(server.url + path).raise_for_status().text
            assert '"id">pay-1' in page or "pay-1</a>" in page
            assert re.search(r"<span[^>]*>web-1</span>", page)
        item = httpx.get(f"{server.url}/api/flows/web-1").raise_for_status().json()
        assert (item["flow"], item["aliases"]) == ("pay-1", ["web-1"])
    finally:
        server.stop()


def test_only_what_nothing_ties_counts_as_untied(queries) -> None:
    untied = queries.events(untied=True, limit=100).items
    assert [(e.name, e.keys) for e in untied] == [
        ("order.paid", {"customer": "ann"}), ("stock.counted", {"order_id": "0"}),
    ]  # fmt: skip
    assert queries.status().untied == 2


def test_a_value_that_is_no_flow_key_is_said_to_be_none(queries) -> None:
    status = queries.status()
    assert status.common_keys == [CommonKey(key="order_id", values=1, example="0")]
    console = Console(record=True, width=120, file=io.StringIO())
    print_status(status, console)
    assert "1 value ties no flows: too many correlation IDs carry order_id=0" in (
        console.export_text()
    )
    metrics = {metric.name: metric for metric in status_metrics(status)}
    (sample,) = metrics["nonevent_common_key_values"].samples
    assert (sample.labels, sample.value) == ({"key": "order_id"}, 1)


def test_ties_that_are_added_to_the_configuration_hold_for_what_is_stored(tmp_path: Path) -> None:
    rules, events = tmp_path / "rules.yaml", tmp_path / "events.jsonl"
    rules.write_text(RULES)
    write_events(events, EVENTS)
    store = tmp_path / "store.duckdb"
    of = {"from": ["payload:order_id"]}
    seen = []
    for ties in (False, True, False):
        watch(events, [rules], store, keys={"order_id": {**of, "ties": ties}})
        opened = open_store(Configuration(store=StoreSettings(path=store)), read_only=True)
        loaded = load([rules])
        found = StoreQueries(opened, lambda loaded=loaded: loaded).findings(limit=100).items
        seen.append({(f.flow, f.expectation) for f in found if f.state != "retracted"})
        opened.close()
    assert seen[0] == seen[2] == {
        ("web-1", "payment follows"), ("pay-1", "shipping follows"), ("web-2", "payment follows"),
        ("web-3", "payment follows"),
    }  # fmt: skip
    assert seen[1] == {("web-2", "payment follows"), ("web-3", "shipping follows")}
