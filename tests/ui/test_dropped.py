"""Who drops correlation IDs, from a store as the daemon leaves it."""

from pathlib import Path
from typing import Any

import pytest

from analyzer.rules.ruleset import RuleSet
from collector.settings import StoreSettings
from nonevent.config import Configuration
from nonevent.opening import open_store
from tests.watching import happened, moment, watch, write_events
from ui.models import Dropped
from ui.store_queries import StoreQueries


def reserved(seconds: float, order: str, flow: str | None, producer: str) -> dict[str, Any]:
    return happened(
        seconds, "stock.reserved", flow, topic="inventory", partition=0, offset=int(seconds * 10),
        topic_id="i", keys={"order_id": order}, headers=[["producer", producer], ["raw", "x"]],
    )  # fmt: skip


ORDERS = [
    happened(n, "order.created", f"flow-{n}", keys={"order_id": f"{n}", "customer": "ann"})
    for n in range(12)
]
EVENTS = [
    *ORDERS,
    reserved(20, "0", "flow-0", "inventory/1"),
    reserved(21, "1", "flow-1", "inventory/2"),
    reserved(22, "2", "flow-2", "inventory/2"),
    # The new version forgets it, at first for every other order.
    reserved(30, "3", None, "inventory/2"),
    reserved(31, "4", "flow-4", "inventory/2"),
    reserved(32, "5", None, "inventory/2"),
    # What nobody carries, or too many, says nothing.
    reserved(40, "99", None, "inventory/1"),
    happened(41, "order.created", None, keys={"customer": "ann"}),
    # These never have one, and no key ties.
    happened(42, "mail.sent", None, keys={"order_id": "6"}),
]


def asked(tmp_path: Path, *, ties: bool) -> list[Dropped]:
    events = tmp_path / "events.jsonl"
    write_events(events, EVENTS)
    keys = {"order_id": {"from": ["payload:order_id"], "ties": ties}}
    watch(events, [], tmp_path / "store.duckdb", keys=keys)
    settings = StoreSettings(path=tmp_path / "store.duckdb")
    store = open_store(Configuration(store=settings), read_only=True)
    try:
        return StoreQueries(store, RuleSet).dropped().items
    finally:
        store.close()


def test_what_drops_them_is_named_with_the_moment_since_which_it_does(tmp_path: Path) -> None:
    (only,) = asked(tmp_path, ties=False)
    assert only == Dropped(
        source="export", topic="inventory", name="stock.reserved", producer="inventory/2",
        dropped=2, carried=1, since=moment(30), last=moment(32), example="flow-5",
    )  # fmt: skip


def test_a_key_that_ties_proves_it_of_events_that_never_carry_one(tmp_path: Path) -> None:
    found = asked(tmp_path, ties=True)
    assert [(one.name, one.producer, one.dropped, one.carried) for one in found] == [
        ("stock.reserved", "inventory/2", 2, 1), ("mail.sent", None, 1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("ties", [False, True])
def test_where_nothing_is_dropped_nobody_is_named(tmp_path: Path, ties: bool) -> None:
    events = tmp_path / "events.jsonl"
    write_events(events, ORDERS)
    store = tmp_path / "store.duckdb"
    watch(events, [], store, keys={"order_id": {"from": ["payload:order_id"], "ties": ties}})
    opened = open_store(Configuration(store=StoreSettings(path=store)), read_only=True)
    assert StoreQueries(opened, RuleSet).dropped().items == []
    opened.close()
