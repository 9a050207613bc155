"""Flows that are linked to those they came from, and not merged with them."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from analyzer.rules.ruleset import RuleSet
from collector.settings import StoreSettings
from nonevent.config import Configuration
from nonevent.opening import open_store
from nonevent.terminal import print_flow
from tests.watching import happened, watch, write_events
from ui.access import allowed_hosts
from ui.api import create_app
from ui.server import Server
from ui.store_queries import StoreQueries

EVENTS = [
    happened(0, "trip.booked", "trip-1", keys={"booking": "b-1"}),
    # Two pieces of work of their own; the first says twice where it came from.
    happened(1, "hotel.asked", "hotel-1", payload={"part_of": "trip-1"}),
    happened(2, "hotel.booked", "hotel-1", payload={"part_of": "trip-1"}),
    happened(3, "flight.asked", "flight-1", payload={"part_of": "trip-1"}),
    happened(4, "seat.asked", "seat-1", payload={"part_of": "flight-1"}),
    # It came from a flow that was never seen, and this one from itself.
    happened(5, "car.asked", "car-1", payload={"part_of": "trip-0"}),
    happened(6, "loop.began", "loop-1", payload={"part_of": "loop-1"}),
    # Known by a booking number too.
    happened(7, "trip.paid", "a-trip", keys={"booking": "b-1"}),
    happened(8, "train.asked", "train-1", payload={"part_of": "a-trip"}),
]


@pytest.fixture(params=[False, True], ids=["no ties", "ties"])
def queries(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreQueries]:
    events, path = tmp_path / "events.jsonl", tmp_path / "store.duckdb"
    write_events(events, EVENTS)
    keys = {"booking": {"from": ["payload:booking"], "ties": request.param}}
    watch(events, [], path, keys=keys, parent=["header:parent_id", "payload:part_of"])
    store = open_store(Configuration(store=StoreSettings(path=path)), read_only=True)
    yield StoreQueries(store, RuleSet)
    store.close()


def links(queries: StoreQueries, flow: str) -> tuple[list[str], list[str]]:
    found = queries.flow(flow)
    assert found is not None
    return found.parents, found.children


def test_both_flows_show_the_link_and_stay_two(queries) -> None:
    assert queries.flow("hotel-1").flow == "hotel-1"
    assert queries.flow("hotel-1").events == 2
    trip = queries.flow("trip-1").flow
    assert links(queries, "hotel-1") == ([trip], [])
    assert links(queries, "flight-1") == ([trip], ["seat-1"])
    assert links(queries, "seat-1") == (["flight-1"], [])


def test_a_parent_that_was_never_seen_is_named_and_none_is_its_own(queries) -> None:
    assert links(queries, "car-1") == (["trip-0"], [])
    assert links(queries, "loop-1") == ([], [])


def test_a_flow_of_several_ids_is_the_parent_of_what_names_any_of_them(queries) -> None:
    joined = queries.flow("trip-1").flow == "a-trip"
    expected = ["flight-1", "hotel-1", *(["train-1"] if joined else [])]
    assert links(queries, "trip-1") == ([], expected)
    assert links(queries, "train-1") == (["a-trip"], [])


def test_links_are_shown_on_the_page_and_in_the_terminal(queries) -> None:
    console = Console(record=True, width=120, file=io.StringIO())
    print_flow(queries.flow("flight-1"), console)
    said = console.export_text()
    assert f"came from {queries.flow('trip-1').flow}" in said
    assert "led to seat-1" in said
    app = create_app(
        queries, token=None, allowed_hosts=allowed_hosts("127.0.0.1"), ready=lambda: True
    )
    server = Server(app, host="127.0.0.1", port=0)
    server.start()
    try:
        page = httpx.get(f"{server.url}/flows/flight-1").raise_for_status().text
    finally:
        server.stop()
    assert f'href="/flows/{queries.flow("trip-1").flow}"' in page
    assert 'href="/flows/seat-1"' in page
