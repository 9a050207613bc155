from __future__ import annotations

import re

from demo.faults import FAULTS
from demo.shop import shop_rules
from demo.shop.event import TOPIC_OF
from demo.shop.rules import RULES


def test_each_deadline_can_be_another() -> None:
    rules = shop_rules(payment="1s", stock="2s", shipping="3s", notice="4s")
    assert re.findall(r"within: (\w+)", rules) == ["1h", "1s", "2s", "3s", "4s"]
    assert "payment follows order" in rules[: rules.index("within: 1s")]


def test_as_they_ship_they_are_the_file_without_its_tests() -> None:
    written = RULES.read_text(encoding="utf-8")
    assert written.startswith(shop_rules().rstrip())
    assert "\ntests:" in written
    assert "\ntests:" not in shop_rules()


def test_every_fault_breaks_a_rule_that_is_there() -> None:
    for fault in FAULTS.values():
        assert f"name: {fault.expectation}\n" in shop_rules()


def test_the_rules_speak_of_events_that_the_shop_publishes() -> None:
    spoken = set(re.findall(r"\b(?:order|payment|stock|customer)\.\w+", shop_rules()))
    assert spoken == set(TOPIC_OF)
