"""`nonevent why`, asked of a store without a daemon, as scripts and people do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nonevent.conftest import Answer, Nonevent
from tests.watching import happened, watch, write_events

RULES = """\
version: 1
flow: order
begins: order.created
ends: order.completed
within: 1h
expectations:
  - {name: payment follows order, after: order.created, expect: payment.authorized, within: 30s}
"""
ORDER = {"order_id": "8812"}


@pytest.fixture
def asked(nonevent: Nonevent, tmp_path: Path) -> Nonevent:
    """Two orders, of which one was paid without its correlation ID, and one in time."""
    rules, lines = tmp_path / "rules.yaml", tmp_path / "events.jsonl"
    rules.write_text(RULES)
    events = [
        happened(0, "order.created", "ord-1", keys=ORDER),
        happened(4, "payment.authorized", None, keys=ORDER),
        happened(5, "order.created", "ord-2", keys={"order_id": "8813"}),
        happened(6, "payment.authorized", "ord-2", keys={"order_id": "8813"}),
        happened(7, "order.completed", "ord-2"),
        happened(900, "order.created", "ord-3"),
    ]
    write_events(lines, events)
    watch(lines, [rules], tmp_path / "store.duckdb", keys={"order_id": {"from": ["payload:id"]}})

    def ask(*words: object) -> Answer:
        return nonevent("why", *words, "--store", tmp_path / "store.duckdb", "--rules", rules)

    return ask


def test_the_reason_is_told_in_words_with_exit_code_1(asked: Nonevent) -> None:
    answer = asked("ord-1")
    assert answer.code == 1
    assert "correlation dropped (likely)  payment follows order  ord-1" in answer.out
    assert "has order_id=8812 of this flow" in answer.out
    assert "kind=untied" in answer.out
    assert "swallowed: nobody is declared" in answer.out


def test_json_is_one_object(asked: Nonevent) -> None:
    answer = asked("8812", "payment follows order", "--json")
    assert (answer.code, answer.json["verdict"]) == (1, "correlation_dropped")
    assert answer.json["flow"] == "ord-1"


def test_a_flow_in_which_nothing_is_missing_has_no_reason(asked: Nonevent) -> None:
    answer = asked("ord-2")
    assert (answer.code, answer.out) == (
        0, "Nothing that is expected of this flow is missing or awaited.\n"
    )  # fmt: skip
    assert asked("ord-2", "--json").json == {"items": [], "next": None}


def test_what_is_not_there_is_said(asked: Nonevent) -> None:
    answer = asked("nobody")
    assert answer.code == 3
    assert "nobody" in answer.err
