from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from demo.faults import LATE, LOST_OUTCOME, SCHEMA_CHANGE, STOPPED_CONSUMER
from demo.plan import FaultPlan
from demo.shop.order import order
from demo.truth import Position, Truth
from demo.watch import Finding, Watch, findings

PLAN = FaultPlan(7, early={LOST_OUTCOME.name: 1, LATE.name: 2})
WORKS = {f"flow-{number}": order(PLAN, number) for number in (1, 2, 3)}


def finding(flow: str, kind: str, state: str = "open") -> Finding:
    return Finding(f"{flow}/{kind}", "payment follows order", kind, state, flow)


def watch(folder: Path) -> Watch:
    return Watch(Truth(folder / "truth.jsonl"), WORKS)


def test_a_fault_is_confirmed_once(tmp_path: Path) -> None:
    seen = watch(tmp_path)
    seen.truth.tell(LOST_OUTCOME, "flow-1", Position("orders", 0, 5))
    assert seen.look([]) == []
    found = [finding("flow-1", "missing")]
    assert seen.look(found) == [(seen.truth.lines[0], found[0])]
    assert seen.look(found) == []
    assert (seen.injected("lost-outcome"), seen.confirmed("lost-outcome")) == (1, 1)


def test_another_finding_of_the_flow_does_not_confirm_it(tmp_path: Path) -> None:
    seen = watch(tmp_path)
    seen.truth.tell(LATE, "flow-2", Position("payments", 0, 5))
    assert seen.look([finding("flow-2", "missing")]) == []
    assert seen.look([finding("flow-2", "late")])


def test_a_fault_that_nobody_tells_of_is_overdue_in_time(tmp_path: Path) -> None:
    seen = watch(tmp_path)
    seen.truth.tell(LOST_OUTCOME, "flow-1", Position("orders", 0, 5))
    told = datetime.fromisoformat(seen.truth.lines[0].at)
    assert seen.overdue("lost-outcome", told + timedelta(seconds=15)) == 0
    assert seen.overdue("lost-outcome", told + timedelta(seconds=60)) == 1
    seen.look([finding("flow-1", "missing")])
    assert seen.overdue("lost-outcome", told + timedelta(seconds=60)) == 0


def test_what_nobody_injected_is_named(tmp_path: Path) -> None:
    seen = watch(tmp_path)
    seen.look([finding("flow-2", "missing"), finding("flow-3", "missing")])
    assert seen.unexplained == [("flow-3", "payment follows order", "missing")]


def test_what_a_service_fault_made_late_counts_once_and_is_no_surprise(tmp_path: Path) -> None:
    seen = watch(tmp_path)
    place = Position("orders", 0, 5)
    seen.truth.tell_switched(STOPPED_CONSUMER, "on")
    seen.truth.tell(STOPPED_CONSUMER, "flow-3", place)
    seen.look([finding("flow-3", "missing")])
    assert (seen.injected("stopped-consumer"), seen.confirmed("stopped-consumer")) == (1, 1)
    seen.truth.tell(STOPPED_CONSUMER, "flow-3", place, {"finding": "late"})
    seen.truth.tell_switched(STOPPED_CONSUMER, "off")
    assert (seen.injected("stopped-consumer"), seen.confirmed("stopped-consumer")) == (1, 0)
    seen.look([finding("flow-3", "late")])
    assert (seen.injected("stopped-consumer"), seen.confirmed("stopped-consumer")) == (1, 1)
    assert seen.unexplained == []


def test_what_no_rule_can_see_is_not_waited_for(tmp_path: Path) -> None:
    seen = watch(tmp_path)
    seen.truth.tell(SCHEMA_CHANGE, "flow-3", Position("shipments", 0, 5))
    assert seen.look([]) == []
    assert seen.injected("schema-change") == 0


def test_a_truth_line_is_on_disk_at_once(tmp_path: Path) -> None:
    truth = Truth(tmp_path / "truth.jsonl")
    truth.tell(LOST_OUTCOME, "flow-1", Position("orders", 0, 5))
    line = json.loads((tmp_path / "truth.jsonl").read_text())
    assert line.pop("at").endswith("Z")
    assert line == {
        "fault": "lost-outcome",
        "flow": "flow-1",
        "position": {"topic": "orders", "partition": 0, "offset": 5},
        "expect": {
            "finding": "missing",
            "expectation": "payment follows order",
            "verdict": "swallowed",
        },
    }


async def test_all_pages_are_read_and_retracted_findings_left_out() -> None:
    def item(number: int, state: str) -> dict[str, object]:
        rest: dict[str, object] = {
            "expectation": "r",
            "finding": "missing",
            "flow": None,
            "text": "",
            "evidence": [],
        }
        return {"id": str(number), "state": state, **rest}

    pages = {
        None: {"items": [item(1, "open"), item(2, "retracted")], "next": "more"},
        "more": {"items": [item(3, "closed")], "next": None},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/findings"
        return httpx.Response(200, json=pages[request.url.params.get("cursor")])

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        assert [found.id for found in await findings(client)] == ["1", "3"]
