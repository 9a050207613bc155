"""Which expectations look at topics of which only a part of the flows is kept."""

from pathlib import Path

import pytest

from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from analyzer.sampling import sampled, sampled_topics
from analyzer.sight import Sample
from collector.store.rollups import Sighting

ORDERS = """
version: 1
flow: order
begins: order.created
ends: order.completed
within: 1d
events:
  card: {topic: cards}
expectations:
  - {name: is paid, after: order.created, expect: order.paid, within: 30s}
  - {name: is packed, after: order.paid, expect: order.packed, within: 30s}
  - {name: by card, after: order.packed, expect: card, within: 30s, unless: order.free}
  - {name: once, once: order.packed}
  - {name: never twice, after: order.shipped, never: order.lost}
"""
WINDOWS = """
version: 1
expectations:
  - {name: enough, rate: order.paid, at_least: 1, per: 1h, unless: holiday}
  - {name: in time, lag: payments, at_most: 60s, for: 1m}
"""


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    (tmp_path / "order.yaml").write_text(ORDERS)
    (tmp_path / "windows.yaml").write_text(WINDOWS)
    return load([tmp_path])


def looking(rules: RuleSet, *names: str, topic: str = "sampled", share: float = 0.1) -> set[str]:
    """The expectations that look at what was seen on this topic of a source that samples."""
    seen = {"bus": [Sighting(topic, name, 1, 0, 0, 1) for name in names]}
    topics = sampled_topics({"bus": [Sample(topic, share)]}, seen)
    return {
        one.options.name
        for file in rules.files
        for one in file.expectations()
        if sampled(file, one, topics)
    }


def test_those_that_await_what_was_seen_there_and_those_that_it_brings_to_bear(
    rules: RuleSet,
) -> None:
    assert looking(rules, "order.paid") == {"is paid", "is packed", "enough"}
    assert looking(rules, "order.completed") == {"unfinished"}
    assert looking(rules, "order.lost") == {"never twice"}


def test_what_begins_a_flow_is_looked_at_by_what_is_asked_of_whole_flows(rules: RuleSet) -> None:
    assert looking(rules, "order.created") == {"is paid", "once", "unfinished"}


def test_what_would_excuse_is_looked_at_too(rules: RuleSet) -> None:
    assert looking(rules, "order.free") == {"by card"}
    assert looking(rules, "holiday") == {"enough"}


def test_what_a_name_means_in_its_file_is_what_was_seen(rules: RuleSet) -> None:
    assert looking(rules, "settled", topic="cards") == {"by card"}
    assert looking(rules, "card") == set()


def test_a_topic_that_is_kept_whole_is_not_told(rules: RuleSet) -> None:
    assert looking(rules, "order.paid", share=1) == set()


def test_the_last_glob_of_its_own_source_says_how_much_of_a_topic_is_kept() -> None:
    samples = {"bus": [Sample("*", 0.5), Sample("pay*", 0.1), Sample("orders", 1)], "other": []}
    there = [Sighting(topic, "x", 1, 0, 0, 1) for topic in ("orders", "payments", "stock")]
    found = sampled_topics(samples, {"bus": there, "other": there})
    told = [(one.source, one.topic, one.share) for one in found]
    assert told == [("bus", "payments", 0.1), ("bus", "stock", 0.5)]
