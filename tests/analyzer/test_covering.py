"""Which expectations judge before what they await is published."""

from pathlib import Path

import pytest

from analyzer.covering import least_grace, not_covered
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from analyzer.sight import DEFAULT_GRACE
from collector.store.rollups import Sighting
from collector.times import US_PER_S

ORDERS = """
version: 1
flow: order
begins: order.created
ends: order.completed
within: 1d
grace: 10s
events:
  card: {topic: cards}
  paid: {name: [order.paid, order.paid.v2]}
expectations:
  - {name: is paid, after: order.created, expect: paid, within: 30s}
  - {name: is packed, after: paid, expect: order.packed, within: 30s, grace: 1m}
  - {name: by card, after: order.created, expect: card, within: 30s, unless: order.free}
  - {name: what is next, after: order.packed, next: [order.shipped], grace: 2m}
  - {name: is handled, handled: order.created, groups: [payments], within: 5s}
"""
WINDOWS = """
version: 1
expectations:
  - {name: enough, rate: order.created, at_least: 1, per: 1h}
"""


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    (tmp_path / "order.yaml").write_text(ORDERS)
    (tmp_path / "windows.yaml").write_text(WINDOWS)
    return load([tmp_path])


def short(rules: RuleSet, seconds: float, *names: str, topic: str = "orders") -> dict[str, float]:
    """Which do not cover so many seconds where these were seen, and their grace."""
    seen = [Sighting(topic, name, 1, 0, 0, 1) for name in names]
    found = not_covered(rules, DEFAULT_GRACE, round(seconds * US_PER_S), seen)
    return {f"{type}: {name}": grace / US_PER_S for (type, name), grace in found.items()}


def test_those_that_await_what_was_seen_there_and_judge_before_it_is_published(
    rules: RuleSet,
) -> None:
    assert short(rules, 11, "order.paid") == {"order: is paid": 10}
    assert short(rules, 11, "order.packed") == {}, "it has a grace of its own"
    assert short(rules, 61, "order.packed") == {"order: is packed": 60}
    assert short(rules, 11, "order.completed") == {"order: unfinished": 10}
    assert short(rules, 9, "order.completed", "order.paid") == {}
    assert short(rules, 6, "order.created") == {"windows: enough": 5}


def test_a_grace_that_is_as_long_covers_it(rules: RuleSet) -> None:
    assert short(rules, 10, "order.paid") == {}
    assert short(rules, 10.000001, "order.paid") == {"order: is paid": 10}


def test_what_a_name_means_in_its_file_is_what_was_seen(rules: RuleSet) -> None:
    assert short(rules, 11, "order.paid.v2", "paid", "card") == {"order: is paid": 10}
    assert short(rules, 11, "settled", topic="cards") == {"order: by card": 10}


def test_what_would_excuse_is_awaited_too(rules: RuleSet) -> None:
    assert short(rules, 11, "order.free") == {"order: by card": 10}


def test_who_awaits_any_name_awaits_what_no_rule_names(rules: RuleSet) -> None:
    assert short(rules, 121, "other") == {"order: what is next": 120}


def test_nobody_awaits_what_was_never_seen_there(rules: RuleSet) -> None:
    assert short(rules, 3600) == {}


def test_the_least_grace_is_that_of_whichever_expectation(rules: RuleSet) -> None:
    assert least_grace(rules, DEFAULT_GRACE) == DEFAULT_GRACE
    assert least_grace(rules.of_type("order"), DEFAULT_GRACE) == 10 * US_PER_S
    assert least_grace(RuleSet(), DEFAULT_GRACE) == DEFAULT_GRACE
