"""A real daemon in a process of its own: what it says, its store says after it, too."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import msgspec
import pytest

from collector.times import US_PER_S, format_time
from tests.nonevent.conftest import Nonevent, Running, free_port
from tests.watching import write_events

RULES = """
version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - {name: payment follows order, after: order.created, expect: order.paid, within: 30s}
  - {name: shipped once, once: order.shipped}
"""
NOW = time.time_ns() // 1000
HOUR = 3_600 * US_PER_S


def event(seconds: float, name: str, flow: object = None, **fields: Any) -> dict[str, Any]:
    """So many seconds after an hour ago: the daemon's clock is the real one."""
    when = format_time(NOW - HOUR + round(seconds * US_PER_S))
    return {"name": name, "time": when, "correlation_id": flow, **fields}


EVENTS: list[dict[str, Any] | bytes] = [
    event(0, "order.created", "ord-1", keys={"order_id": "123"}, payload={"é": "<b>"}),
    event(1, "order.paid", "ord-1", headers=[["raw", {"hex": "ff"}]]),
    event(2, "order.shipped", "ord-1"),
    event(3, "order.shipped", "ord-1"),
    event(4, "order.created", "ord-2"),
    event(5, "order.created", "a/b?c=d#2 ü%20"),
    event(50, "order.paid", "a/b?c=d#2 ü%20"),
    event(51, "order.paid", ".."),
    event(60, "order.created", ["ord-3", "ord-4"]),
    event(61, "order.paid"),
    b"broken \xff line",
]
FLOWS = ["ord-1", "123", "ord-2", "a/b?c=d#2 ü%20", "ord-3", ".."]


@dataclass
class House:
    """A folder with a configuration, and what is needed to run and to ask it."""

    folder: Path
    url: str
    start: Callable[[], Running]
    ask: Nonevent

    @property
    def events(self) -> Path:
        return self.folder / "events.jsonl"

    @property
    def beacon(self) -> Path:
        return self.folder / "nonevent.duckdb.daemon.json"

    def seen(self, count: int) -> Callable[[], bool]:
        """Whether so many events are stored: asked of the daemon."""

        def holds() -> bool:
            status = httpx.get(f"{self.url}/api/status", trust_env=False)
            return status.is_success and status.json()["events"] >= count

        return holds

    def run(self, count: int) -> Running:
        daemon = self.start()
        daemon.wait_ready(self.url)
        daemon.wait_until(self.seen(count))
        return daemon

    def answers(self) -> dict[str, Any]:
        """Everything that must not depend on who is asked."""
        asked: dict[str, Any] = {}
        for arguments in (
            ["flows"], ["flows", "--limit", "2"], ["flows", "--state", "failed"],
            ["flows", "--q", "ord"], ["flows", "--type", "order", "--without", "order.paid"],
            ["flows", "--since", event(5, "")["time"]],
            ["flows", "--until", event(4.5, "")["time"]],
            ["flows", "--since", "1990-01-01T00:00:00Z", "--until", "2h"],
            *(["show", flow] for flow in FLOWS), ["show", "nobody"],
            ["findings"], ["findings", "--state", "open"], ["findings", "--flow", "ord-2"],
            ["findings", "--limit", "1"], ["findings", "--since", "1d"],
            ["tail"], ["tail", "--untied"], ["tail", "--problems", "--limit", "1"],
            ["flows", "--cursor", "no cursor"], ["findings", "--cursor", "no cursor"],
        ):  # fmt: skip
            answer = self.ask(*arguments, "--json")
            objects = [msgspec.json.decode(line) for line in answer.out.splitlines()]
            asked[" ".join(arguments)] = (answer.code, objects, answer.err)
        status = self.ask("status", "--json").json
        for passing in ("running", "role", "held", "store_bytes", "outbox"):
            del status[passing]
        for source in status["sources"]:
            # Only a tap knows how it stands with its bus.
            for passing in (
                "state", "since", "why", "next_try", "denied", "behind_seconds", "skipped",
                "problems", "catching_up",
            ):  # fmt: skip
                del source[passing]
        asked["status"] = status
        return asked


@pytest.fixture
def house(nonevent: Nonevent, start_daemon: Callable[..., Running], tmp_path: Path) -> House:
    port = free_port()
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "order.yaml").write_text(RULES)
    (tmp_path / "nonevent.yaml").write_text(
        "sources: [{name: export, file: {path: events.jsonl}}]\n"
        f"expectations: [rules]\nhttp: {{listen: '127.0.0.1:{port}'}}\n"
    )
    write_events(tmp_path / "events.jsonl", EVENTS)
    config = tmp_path / "nonevent.yaml"
    return House(tmp_path, f"http://127.0.0.1:{port}", lambda: start_daemon(config), nonevent)


def test_the_running_daemon_and_its_store_afterwards_give_the_same_answers(house: House) -> None:
    daemon = house.run(len(EVENTS))
    assert house.ask("status", "--json").json["running"] is True
    refused = house.ask("expectations", "--rules", house.folder / "rules")
    assert refused.code == 2
    assert "answers by its own rules" in refused.err
    asked_daemon = house.answers()
    assert daemon.stop() == 0
    assert not house.beacon.exists()
    assert house.ask("status", "--json").json["running"] is False
    asked_file = house.answers()
    for question, answer in asked_daemon.items():
        assert asked_file[question] == answer, question
    assert asked_file["show ord-2"][0] == 1
    assert asked_file["show a/b?c=d#2 ü%20"][1][0]["flow"] == "a/b?c=d#2 ü%20"
    assert asked_file["show nobody"][0] == 3
    assert asked_file["flows --cursor no cursor"][0] == 2
    findings = asked_file["findings"][1][0]["items"]
    assert {(f["flow"], f["expectation"], f["finding"]) for f in findings} == {
        ("ord-1", "shipped once", "repeated"),
        ("ord-2", "payment follows order", "missing"),
        ("a/b?c=d#2 ü%20", "payment follows order", "late"),
    }
    # The export begins before the first start: stored and shown, and nobody is woken.
    assert all(finding["historical"] for finding in findings)


def test_after_a_restart_nothing_is_lost_twice_or_told_anew(house: House) -> None:
    house.run(len(EVENTS)).stop()
    before = house.answers()
    daemon = house.run(len(EVENTS))
    assert house.answers() == before
    write_events(
        house.events, [event(70, "order.paid", "ord-2"), event(71, "order.completed", "ord-1")]
    )
    daemon.wait_until(house.seen(len(EVENTS) + 2))
    late = house.ask("show", "ord-2", "--json").json
    assert [(f["finding"], f["state"]) for f in late["found"]] == [("late", "closed")]
    assert daemon.stop(signal.SIGINT) == 0
    assert house.ask("status", "--json").json["events"] == len(EVENTS) + 2


def test_after_kill_9_the_store_answers_and_the_next_daemon_goes_on(house: House) -> None:
    house.run(len(EVENTS)).stop(signal.SIGKILL)
    assert house.beacon.exists()
    before = house.answers()
    assert before["status"]["events"] == len(EVENTS)
    house.run(len(EVENTS))
    assert house.answers() == before


def test_a_crash_leaves_every_threads_stack_in_the_log(house: House) -> None:
    daemon = house.run(len(EVENTS))
    assert daemon.stop(signal.SIGSEGV) == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in daemon.log()
    assert "_write_loop" in daemon.log()


@pytest.mark.parametrize("remembered", [True, False])
def test_a_stop_then_a_kill_then_a_start_say_what_one_run_says(
    house: House, remembered: bool
) -> None:
    assert house.run(len(EVENTS)).stop() == 0
    store = house.folder / "nonevent.duckdb"
    with duckdb.connect(str(store)) as connection:
        assert connection.execute("SELECT count(*) FROM open_flows").fetchall() == [(2,)]
        if not remembered:
            connection.execute("DELETE FROM open_flows")
    write_events(
        house.events,
        [event(70, "order.created", "ord-9"), event(71, "order.shipped", "ord-2")],
    )
    house.run(len(EVENTS) + 2).stop(signal.SIGKILL)
    write_events(
        house.events,
        [event(72, "order.shipped", "ord-2"), event(73, "order.shipped", "ord-9"),
         event(140, "order.paid", "ord-9"), event(141, "order.completed", "ord-1")],
    )  # fmt: skip
    house.run(len(EVENTS) + 6).stop()
    asked = house.ask("findings", "--json").json["items"]
    with duckdb.connect(str(store)) as connection:
        connection.execute("DELETE FROM open_flows")
    house.run(len(EVENTS) + 6).stop()
    assert house.ask("findings", "--json").json["items"] == asked
    store.unlink()
    house.run(len(EVENTS) + 6).stop()

    def found(items: list[dict[str, Any]]) -> set[tuple[str, ...]]:
        return {(f["id"], f["flow"], f["finding"], f["state"]) for f in items}

    once = house.ask("findings", "--json").json["items"]
    assert found(once) == found(asked)
    assert {f["flow"] for f in once} >= {"ord-1", "ord-2", "ord-9"}


def test_a_second_daemon_on_one_store_is_refused(house: House, tmp_path: Path) -> None:
    house.run(len(EVENTS))
    other = (tmp_path / "nonevent.yaml").read_text().replace(house.url[7:], "127.0.0.1:0")
    (tmp_path / "other.yaml").write_text(other)
    answer = house.ask("run", "--config", "other.yaml")
    assert answer.code == 3
    assert "If a nonevent is running on it, ask that one" in answer.err
    assert house.ask("flows").code == 0


def test_a_port_that_is_taken_is_named(house: House, start_daemon: Callable[..., Running]) -> None:
    house.run(len(EVENTS))
    config = house.folder / "other.yaml"
    config.write_text(
        (house.folder / "nonevent.yaml").read_text() + "store: {path: other.duckdb}\n"
    )
    second = start_daemon(config)
    assert second.wait() == 3
    assert f"http.listen: cannot listen on {house.url[7:]}" in second.log()
    assert "Traceback" not in second.log()


def test_a_file_that_goes_away_ends_the_daemon_with_3_and_says_so(house: House) -> None:
    daemon = house.run(len(EVENTS))
    house.events.unlink()
    assert daemon.wait() == 3
    assert f"source export: {house.events} cannot be read any more: No such file" in daemon.log()
    assert "Traceback" not in daemon.log()
    assert not house.beacon.exists()
    assert house.ask("status", "--json").json["events"] == len(EVENTS)


def test_a_file_that_is_not_there_yet_is_waited_for(house: House) -> None:
    house.events.unlink()
    daemon = house.start()
    daemon.wait_until(lambda: "cannot be read: No such file" in daemon.log())
    write_events(house.events, EVENTS)
    daemon.wait_ready(house.url)
    daemon.wait_until(house.seen(len(EVENTS)))


def test_a_token_is_asked_for_and_found_in_the_configuration(
    house: House, start_daemon: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = house.folder / "nonevent.yaml"
    config.write_text(config.read_text().replace("'}", "', token: '${MY_TOKEN}'}"))
    secret = "a-token-of-more-than-enough-letters-0123456789"
    daemon = start_daemon(config, MY_TOKEN=secret)
    daemon.wait_until(house.beacon.exists)
    daemon.wait_ready(house.url)
    without = house.ask("status", "--url", house.url)
    assert without.code == 2
    assert "wants a token: give --token, or set NONEVENT_TOKEN" in without.err
    assert house.ask("status", "--url", house.url, "--token", "wrong").code == 2
    assert house.ask("status", "--url", house.url, "--token", secret).code == 0
    monkeypatch.setenv("MY_TOKEN", secret)
    assert house.ask("status").code == 0
    assert secret not in daemon.log()


def test_following_goes_on_as_events_come(house: House) -> None:
    house.run(len(EVENTS))
    command = [sys.executable, "-m", "nonevent", "tail", "-f", "--json", "--name", "note"]
    with subprocess.Popen(command, cwd=house.folder, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        for number in range(3):
            write_events(house.events, [event(100 + number, "note", f"n-{number}")])
            line = msgspec.json.decode(tail.stdout.readline())
            assert line["correlation_ids"] == [f"n-{number}"]
        tail.terminate()
