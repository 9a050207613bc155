"""Which topics are asked for: globs, what they leave out, and Kafka's own."""

import pytest

from collector.sources.kafka_discovery import sorted_out
from collector.sources.kafka_topics import Leader, Topic, exact, wanted


@pytest.mark.parametrize(
    ("globs", "topic", "is_wanted"),
    [
        (["orders"], "orders", True),
        (["orders"], "orders2", False),
        (["pay.*"], "pay.in", True),
        (["*", "!secret.*"], "secret.keys", False),
        (["!secret.*", "*"], "secret.keys", False),
        (["*", "!secret.*"], "secrets", True),
        (["*"], "__consumer_offsets", False),
        (["*_offsets"], "__consumer_offsets", False),
        (["__consumer_offsets"], "__consumer_offsets", True),
        (["__*", "!__transaction_state"], "__consumer_offsets", True),
        (["__*", "!__transaction_state"], "__transaction_state", False),
        (["*"], "_schemas", True),
        (["orders", "![a-o]*"], "orders", False),
    ],
)
def test_globs(globs: list[str], topic: str, is_wanted: bool) -> None:
    assert wanted(globs, topic) is is_wanted


def test_topics_that_are_named_as_such() -> None:
    assert exact(["orders", "pay.*", "!x", "a?c", "[ab]", "__consumer_offsets"]) == [
        "orders", "__consumer_offsets",
    ]  # fmt: skip


def test_what_nobody_leads_and_what_we_may_not_read_are_kept_apart() -> None:
    found = sorted_out(
        {
            "a": Topic("A", True, {1: Leader(-1, 4), 0: Leader(3, 5)}),
            "b": Topic("B", False, {0: Leader(3, 5)}),
        },
        {"b": "why"},
    )
    assert found.readable == {("a", 0): "A"}
    assert found.epochs == {("a", 0): 5}
    assert found.leaderless == {("a", 1): "A"}
    assert found.denied == {("b", 0): "B"}
    assert found.topics == ("a",)
