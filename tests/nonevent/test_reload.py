"""Rule files that change while the daemon runs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from nonevent.rule_watch import PAUSE_S
from tests.nonevent.conftest import Running, free_port
from tests.nonevent.test_daemon import event
from tests.watching import write_events

RULES = """
version: 1
flow: order
begins: order.created
expectations:
  - {name: payment follows order, after: order.created, expect: order.paid, within: 30s}
"""
OTHERS = RULES.replace("30s", "40m") + (
    "  - {name: nothing is sent unpaid, before: order.sent, require: order.paid, within: 1h,\n"
    "     where: event.payload.express}\n"
)
WRONG = RULES.replace("within: 30s", "within: 30s, sevrity: info")

EVENTS = [
    event(0, "order.created", "ord-1"),
    event(1, "order.created", "ord-2"),
    event(2, "order.paid", "ord-2"),
    event(3, "order.sent", "ord-1", payload={"express": True}),
    event(60, "the last event seen"),
]


class House:
    def __init__(self, folder: Path, daemon: Running, url: str) -> None:
        self.folder, self.daemon, self._url = folder, daemon, url

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self._url}/api/{path}", trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def write(self, rules: str) -> None:
        (self.folder / "rules" / "order.yaml").write_text(rules)

    def until(self, holds: Callable[[], bool]) -> None:
        self.daemon.wait_until(holds)

    def found(self) -> dict[str, tuple[str, str | None]]:
        items = self.get("findings")["items"]
        return {item["expectation"]: (item["state"], item["reason"]) for item in items}


@pytest.fixture
def house(start_daemon: Callable[..., Running], tmp_path: Path) -> House:
    port = free_port()
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "order.yaml").write_text(RULES)
    (tmp_path / "nonevent.yaml").write_text(
        "sources: [{name: export, file: {path: events.jsonl}}]\n"
        f"expectations: [rules]\nhttp: {{listen: '127.0.0.1:{port}'}}\n"
    )
    write_events(tmp_path / "events.jsonl", EVENTS)
    daemon = start_daemon(tmp_path / "nonevent.yaml")
    url = f"http://127.0.0.1:{port}"
    daemon.wait_ready(url)
    found = House(tmp_path, daemon, url)
    found.until(lambda: found.get("status")["events"] == len(EVENTS))
    return found


def test_changed_rules_are_judged_at_once_over_what_is_open(house: House) -> None:
    house.until(lambda: house.found() == {"payment follows order": ("open", None)})
    house.write(OTHERS)
    house.until(lambda: len(house.get("status")["expectations"]) == 2)
    # The new rule reads a payload that the old ones had no use for.
    house.until(
        lambda: (
            house.found()
            == {
                "payment follows order": ("retracted", "rule changed"),
                "nothing is sent unpaid": ("open", None),
            }
        )
    )
    write_events(house.folder / "events.jsonl", [event(1000, "order.paid", "ord-1")])
    house.until(lambda: house.get("status")["events"] == len(EVENTS) + 1)
    assert len(house.get("events")["items"]) == len(EVENTS) + 1
    assert house.daemon.stop() == 0


def test_wrong_rules_are_refused_and_the_old_ones_go_on(house: House) -> None:
    house.write(WRONG)
    house.until(lambda: bool(house.get("status")["rule_errors"]))
    (error,) = house.get("status")["rule_errors"]
    assert "`sevrity` is not known for `expect`; did you mean `severity`?" in error
    assert "refused" in house.daemon.log()
    write_events(house.folder / "events.jsonl", [event(100, "order.created", "ord-3")])
    write_events(house.folder / "events.jsonl", [event(200, "the last event seen")])
    house.until(lambda: len(house.get("findings")["items"]) == 2)
    metrics = httpx.get(house._url + "/metrics", trust_env=False).text
    assert "nonevent_rule_errors 1.0" in metrics
    house.write(RULES)
    house.until(lambda: not house.get("status")["rule_errors"])
    assert house.found() == {"payment follows order": ("open", None)}
    assert house.daemon.log().count("watching 1 sources") == 1, "the same rules are no change"
    assert house.daemon.stop() == 0


def test_who_runs_which_step_is_taken_up_though_no_judgement_changes(house: House) -> None:
    def groups() -> list[str]:
        return [group for one in house.get("services")["items"] for group in one["groups"]]

    steps = "services:\n  pay: {{group: {}, consumes: order.created, emits: order.paid}}\n"
    house.write(RULES + steps.format("pay-old"))
    house.until(lambda: groups() == ["pay-old"])
    house.write(RULES + steps.format("pay-new"))
    house.until(lambda: groups() == ["pay-new"])
    house.until(lambda: house.daemon.log().count("watching 1 sources") == 3)
    # And what only looks otherwise is no change.
    house.write("# a word\n" + RULES + steps.format("pay-new"))
    time.sleep(3 * PAUSE_S)
    assert house.daemon.log().count("watching 1 sources") == 3
    assert house.daemon.stop() == 0


def test_a_file_that_comes_and_goes_is_a_change(house: House) -> None:
    more = house.folder / "rules" / "more.yaml"
    more.write_text(RULES.replace("flow: order", "flow: more"))
    house.until(lambda: len(house.get("status")["expectations"]) == 2)
    more.unlink()
    house.until(lambda: len(house.get("status")["expectations"]) == 1)
    assert house.daemon.stop() == 0
