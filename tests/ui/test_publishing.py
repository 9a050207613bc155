"""Status tells how long after they happened events are published, and what does not cover that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer.clocks import Clocks
from analyzer.rules.loader import load
from collector.batch import Batch, PartitionState
from collector.event import Event
from collector.settings import StoreSettings
from collector.sources.condition import Condition
from collector.store.store import Store
from collector.times import US_PER_S
from nonevent.config import Configuration
from nonevent.opening import open_store
from tests.collector.records import NOW, source
from ui.models import PublishedAfter
from ui.store_queries import StoreQueries

RULES = """
version: 1
flow: order
begins: order.created
within: 1d
expectations:
  - {name: is paid, after: order.created, expect: order.paid, within: 30s}
  - {name: is paid once, exactly: {order.paid: 1}, grace: 2s}
  - {name: is packed, after: order.created, expect: order.packed, within: 30s}
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Payments were seen on one topic, and nothing that is awaited on another."""
    opened = open_store(Configuration(store=StoreSettings(path=tmp_path / "store.duckdb")))
    events = [
        Event("bus", topic, topic, 0, 0, NOW, NOW, name, ("c",))
        for topic, name in (("payments", "order.paid"), ("orders", "order.created"))
    ]
    state = PartitionState("bus", "payments", "payments", 0, 1, 0)
    opened.commit(Batch(events=events, partitions=[state], now=NOW)).result()
    Clocks.of([source()]).save(opened)
    yield opened
    opened.close()


def told(store: Store, tmp_path: Path, **seconds: float) -> Any:
    """Of the one source, where its tap tells this by topic."""
    (tmp_path / "order.yaml").write_text(RULES)
    rules = load([tmp_path / "order.yaml"])
    later = {topic: round(some * US_PER_S) for topic, some in seconds.items()}
    condition = Condition("kafka", "reading", NOW, published_after=later)
    asked = StoreQueries(store, lambda: rules, running=True, conditions=lambda: {"bus": condition})
    (one,) = asked.status().sources
    return one.published_after


def test_what_every_grace_covers_is_told_with_nothing_that_does_not(
    store: Store, tmp_path: Path
) -> None:
    assert told(store, tmp_path) == []
    assert told(store, tmp_path, payments=2, orders=0.25) == [
        PublishedAfter(topic="orders", seconds=0.25, grace_seconds=None, not_covered=[]),
        PublishedAfter(topic="payments", seconds=2, grace_seconds=None, not_covered=[]),
    ]


def test_the_expectations_that_judge_too_early_are_named_with_the_least_grace_of_them(
    store: Store, tmp_path: Path
) -> None:
    (one,) = told(store, tmp_path, payments=2.5)
    assert (one.grace_seconds, one.not_covered) == (2, ["order: is paid once"])
    (one,) = told(store, tmp_path, payments=5.5)
    assert (one.grace_seconds, one.not_covered) == (2, ["order: is paid", "order: is paid once"])


def test_a_topic_on_which_nothing_is_awaited_needs_no_grace(store: Store, tmp_path: Path) -> None:
    (one,) = told(store, tmp_path, orders=3600)
    assert (one.seconds, one.grace_seconds, one.not_covered) == (3600, None, [])


def test_nothing_is_known_where_no_daemon_runs(store: Store) -> None:
    (one,) = StoreQueries(store, lambda: load([])).status().sources
    assert (one.state, one.published_after) == (None, None)
