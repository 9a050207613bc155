"""How consumers stand, asked of a store that holds what was observed of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from collector.batch import Batch
from collector.consumers.observation import End, GroupState, Place
from collector.event import Event
from collector.store.store import Store
from tests.consumed import NOW, Bus
from tests.ui.conftest import FakeQueries
from ui.models import ConsumerItem, ConsumerPage
from ui.store_queries import StoreQueries


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.duckdb")
    yield opened
    opened.close()


@pytest.fixture
def bus(store: Store) -> Bus:
    return Bus(store)


def ask(store: Store, group: str | None = None) -> list[ConsumerItem]:
    return StoreQueries(store, RuleSet).consumers(group=group).items


def test_a_consumer_is_told_with_its_lag_and_its_verdict(store: Store, bus: Bus) -> None:
    bus.commits["payment"] = {Place("orders", 0): 90}
    bus.look()
    bus.commits["payment"] = {Place("orders", 0): 100}
    bus.look(2)
    bus.ends[Place("orders", 0)] = End("id", 140, 140)
    bus.look(6)
    (one,) = ask(store)
    assert (one.committed, one.end, one.lag, one.group_state) == (100, 140, 40, "Stable")
    assert one.verdict == "stuck"
    assert one.lag_seconds is not None
    assert 25 <= one.lag_seconds <= 30
    assert "40 wait" in one.because


def test_the_line_is_the_one_of_the_contract(store: Store, bus: Bus) -> None:
    bus.look()
    line = StoreQueries(store, RuleSet).consumers().model_dump()["items"][0]
    assert list(line) == [
        "group", "topic", "partition", "committed", "end", "lag", "lag_seconds", "group_state",
        "verdict", "since", "because",
    ]  # fmt: skip


def test_one_group_can_be_asked_for(store: Store, bus: Bus) -> None:
    bus.groups["other"] = GroupState("classic", "Stable", 1)
    bus.commits["other"] = {Place("orders", 0): 7}
    bus.look()
    assert {one.group for one in ask(store)} == {"payment", "other"}
    assert [one.group for one in ask(store, "other")] == ["other"]


def test_how_it_stands_is_known_however_long_nothing_changed(store: Store, bus: Bus) -> None:
    bus.look(500)
    (one,) = ask(store)
    assert (one.verdict, one.lag) == ("ok", 0)


def test_what_cannot_be_seen_is_unseen_and_never_guessed(store: Store, bus: Bus) -> None:
    bus.groups |= {
        "denied": GroupState("", "Unknown", None, "grant DESCRIBE"),
        "silent": GroupState("classic", "Stable", 1),
        "named": GroupState("classic", "Gone", 0),
        "gone": GroupState("classic", "Gone", 0),
    }
    bus.look()
    found = {one.group: one for one in ask(store)}
    assert found.keys() == {"payment", "denied", "silent", "named"}
    for group, why in (
        ("denied", "grant DESCRIBE"),
        ("silent", "it has committed nothing"),
        ("named", "there is no such group"),
    ):
        assert (found[group].verdict, found[group].because) == ("unseen", why)
        assert (found[group].topic, found[group].lag) == (None, None)


def test_while_the_bus_is_away_nothing_is_said_of_its_consumers(store: Store, bus: Bus) -> None:
    bus.look()
    bus.why = "connection refused"
    bus.look()
    (one,) = ask(store)
    assert one.verdict == "unseen"
    assert "connection refused" in one.because


def test_markers_of_transactions_are_no_lag_and_the_last_record_is(store: Store, bus: Bus) -> None:
    """One behind an end that is still: a marker, or a record that nobody takes."""
    bus.commits["payment"] = {Place("orders", 0): 90}
    bus.look()
    bus.commits["payment"] = {Place("orders", 0): 100}
    bus.look(2)
    bus.ends[Place("orders", 0)] = End("id", 101, 101)
    bus.look(10)
    (one,) = ask(store)
    assert (one.lag, one.verdict) == (1, "stuck")
    bus.done = frozenset(((Place("orders", 0), 100),))
    bus.look()
    (one,) = ask(store)
    assert (one.lag, one.lag_seconds, one.verdict) == (1, 0, "ok")


def test_a_service_that_takes_in_and_brings_nothing_out_swallows(
    store: Store, bus: Bus, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(SERVICE)
    ruleset = load([rules])
    queries = StoreQueries(store, lambda: ruleset)

    def verdict() -> str:
        (one,) = queries.consumers().items
        return one.verdict

    def happened(offset: int, *names: str) -> None:
        """Orders at these offsets, each with what comes of it in its flow."""
        made = [
            Event("bus", "orders", "id", n, offset, NOW, NOW, name, (f"ord-{offset}",))
            for n, name in enumerate(names)
        ]
        store.commit(Batch(events=made)).result()

    for offset in range(90, 94):
        happened(offset, "order.created", "payment.declined")
    for offset in range(94, 96):
        happened(offset, "order.created")
    bus.look(12)
    assert verdict() == "ok"
    happened(96, "order.created", "order.looked_at")
    assert verdict() == "swallowing"
    happened(97, "order.created", "payment.authorized")
    assert verdict() == "ok"
    # What it has not committed it may still be about to answer.
    for offset in range(100, 104):
        happened(offset, "order.created")
    assert verdict() == "ok"


SERVICE = """
version: 1
flow: order
begins: order.created
services:
  payment: {group: payment, consumes: order.created, emits: [payment.authorized, payment.declined]}
expectations: []
"""


def test_a_store_without_observations_has_no_consumers(store: Store) -> None:
    assert ask(store) == []


# Over HTTP

STUCK = ConsumerItem(
    source="bus", group="pay<b>", topic="orders", partition=3, committed=100, end=140, lag=40,
    lag_seconds=361.5, group_state="Stable", verdict="stuck", since="2026-11-20T10:02:00Z",
    because="2 in the group, 40 wait",
)  # fmt: skip
UNSEEN = ConsumerItem(
    source="bus", group="quiet", topic=None, partition=None, committed=None, end=None, lag=None,
    lag_seconds=None, group_state="Unknown", verdict="unseen", since=None, because="denied",
)  # fmt: skip


@pytest.fixture
def asked(client: httpx.Client, queries: FakeQueries) -> httpx.Client:
    queries.consumer_page = ConsumerPage(items=[UNSEEN, STUCK])
    return client


def test_the_page_shows_those_first_that_are_not_fine(asked: httpx.Client) -> None:
    text = asked.get("/consumers").raise_for_status().text
    assert text.index("pay&lt;b&gt;") < text.index(">quiet<")
    assert "pay<b>" not in text
    assert "2 in the group, 40 wait" in text
    assert "orders-3" in text


def test_the_page_asks_for_one_group(asked: httpx.Client, queries: FakeQueries) -> None:
    asked.get("/consumers", params={"group": "quiet"}).raise_for_status()
    assert queries.asked["consumers"] == {"group": "quiet"}
    assert asked.get("/consumers", params={"grup": "quiet"}).status_code == 400


def test_metrics_tell_lag_and_verdict_of_each_partition(asked: httpx.Client) -> None:
    text = asked.get("/metrics").raise_for_status().text
    found = re.findall(r"^(nonevent_consumer_\w+)\{(.*)\} (\S+)$", text, re.M)
    at = 'group="pay<b>",partition="3",source="bus",topic="orders"'
    assert {
        (name, ",".join(sorted(labels.split(",")))): value for name, labels, value in found
    } == {
        ("nonevent_consumer_lag", at): "40.0",
        ("nonevent_consumer_lag_seconds", at): "361.5",
        ("nonevent_consumer_verdict", f'{at},verdict="stuck"'): "1.0",
    }


def test_the_api_answers_with_the_lines(asked: httpx.Client) -> None:
    answer = asked.get("/api/consumers").raise_for_status().json()
    assert answer["next"] is None
    assert [item["group"] for item in answer["items"]] == ["quiet", "pay<b>"]
    assert "source" not in answer["items"][0]
