"""Which conditions can never be true."""

import pytest
from hypothesis import given, settings

from analyzer.guards import Guard
from collector.cel import GuardError, check_kinds
from collector.cel_truth import never_true
from tests.analyzer.test_guards import conditions, documents, event
from tests.examples import examples


@pytest.mark.parametrize(
    "text",
    [
        "false", "!true", "1 == 2", "null == 1", "'a' in []", "[1, 2].exists(x, x > 2)",
        "false && event.payload.x == 1", "event.payload.x == 1 && 1 == 2",
        "1 == 2 || !(2 == 2)", "1 / 0 == 1", "1 / 0 == 1 || true", "!(1 / 0 == 1)",
        "true ? false : event.payload.x", "event.payload.x ? false : 1 == 2",
        "event.name == 3", "event.time == '2026-03-01'", "!(event.key != null)",
        "(event.payload.x == 1 && false) || event.id == 1",
    ],
)  # fmt: skip
def test_what_is_never_true(text: str) -> None:
    assert never_true(text)


@pytest.mark.parametrize(
    "text",
    [
        "true", "!false", "event.payload.x", "!event.payload.x", "1 == 1.0",
        "true || event.payload.x == 1", "event.payload.x == 1 || false",
        "event.payload.x ? 1 == 2 : true", "event.name != 3", "event.payload.x == event.name",
        "event.payload.l.exists(x, x == 1)", "has(event.payload.x)", "!(event.key == 3)",
    ],
)  # fmt: skip
def test_what_may_be_true(text: str) -> None:
    assert not never_true(text)


@settings(max_examples=examples(300))
@given(conditions, documents)
def test_what_is_said_to_be_never_true_is_not(text: str, payload: dict[str, object]) -> None:
    try:
        check_kinds(text, condition=True)
    except GuardError:
        return  # it is refused before anybody asks: nearly four of five are
    held = Guard(text)(event(payload), None)
    assert not (held and never_true(text))
