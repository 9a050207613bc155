from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from demo.crew.event import AWAITS as CREW_AWAITS
from demo.crew.event import TOPIC_OF as CREW_TOPIC_OF
from demo.faults import FAULTS
from demo.rules import AGENTS, SHOP, agents_rules, shop_rules
from demo.services.work import Awaited
from demo.shop.event import AWAITS, TOPIC_OF


def test_each_deadline_can_be_another() -> None:
    rules = shop_rules(payment="1s", stock="2s", shipping="3s", notice="4s")
    assert re.findall(r"within: (\w+)", rules) == ["1h", "1s", "2s", "3s", "4s"]
    assert "payment follows order" in rules[: rules.index("within: 1s")]
    assert re.findall(r"within: (\w+)", agents_rules("1s", "2s")) == ["1h", "1s", "2s"]


def test_as_they_ship_they_are_the_files_without_their_tests() -> None:
    for path, rules in ((SHOP, shop_rules()), (AGENTS, agents_rules())):
        written = path.read_text(encoding="utf-8")
        assert written.startswith(rules.rstrip())
        assert "\ntests:" in written
        assert "\ntests:" not in rules


def test_every_finding_that_a_fault_expects_is_of_a_rule_that_is_there() -> None:
    told = [fault.expectation for fault in FAULTS.values() if "finding" in fault.expect]
    assert None not in told
    for expectation in told:
        assert f"name: {expectation}\n" in shop_rules() + agents_rules()


def test_the_rules_speak_of_events_that_are_published() -> None:
    spoken = set(re.findall(r"\b(?:order|payment|stock|customer)\.\w+", shop_rules()))
    assert spoken == set(TOPIC_OF)
    spoken = set(re.findall(r"\b[A-Z][a-z]+(?:Requested|Complete|Generated)\b", agents_rules()))
    assert spoken == set(CREW_TOPIC_OF)


@pytest.mark.parametrize(
    ("rules", "awaits"), [(shop_rules(), AWAITS), (agents_rules(), CREW_AWAITS)]
)
def test_the_deadlines_that_the_truth_follows_are_those_of_the_rules(
    rules: str, awaits: Mapping[str, Awaited]
) -> None:
    blocks = re.findall(r"  - name: (.*?)\n(.*?)(?=\n  - |\Z)", rules, re.S)
    written = {
        name: (re.findall(r"after: (.*)", block)[0], set(re.findall(r"[\w.]+", expect[0])))
        for name, block in blocks
        if (expect := re.findall(r"expect: (.*)", block))
    }
    assert written == {
        awaited.expectation: (cause, set(awaited.answers)) for cause, awaited in awaits.items()
    }
