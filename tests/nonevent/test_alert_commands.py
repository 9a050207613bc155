"""Alerts on the command line: asked of a real daemon or of its store, in the same words."""

import getpass
import io
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.times import US_PER_S, format_time
from tests.nonevent.conftest import Answer, Nonevent, Running, free_port
from tests.watching import write_events

RULES = """
version: 1
flow: order
begins: order.created
expectations:
  - {name: paid, after: order.created, expect: order.paid, within: 300ms, severity: critical}
  - name: packed
    after: order.created
    expect: order.packed
    within: 400ms
    labels: {team: 'a "b" <c>'}
"""


@dataclass
class House:
    """A folder in which two alerts fire once the daemon has run."""

    folder: Path
    url: str
    start: Callable[[], Running]
    ask: Nonevent

    def run(self) -> Running:
        daemon = self.start()
        daemon.wait_ready(self.url)
        if not self.events.exists() or not self.events.stat().st_size:
            # Only what is due after the first start is no history.
            write_events(self.events, [
                self._event(0, "order.created", "ord-1"),
                self._event(0.1, "order.created", "ord-2"),
                self._event(0.9, "other", "x"),
            ])  # fmt: skip
        daemon.wait_until(lambda: len(self.alerts()) == 2)
        return daemon

    @property
    def events(self) -> Path:
        return self.folder / "events.jsonl"

    @staticmethod
    def _event(seconds: float, name: str, flow: str) -> dict[str, Any]:
        when = format_time(time.time_ns() // 1000 + round(seconds * US_PER_S))
        return {"name": name, "time": when, "correlation_id": flow}

    def alerts(self, *options: str) -> dict[str, dict[str, Any]]:
        """By expectation."""
        found = self.ask("alerts", *options, "--json").json["items"]
        return {one["expectation"]: one for one in found}

    def fingerprint(self, expectation: str) -> str:
        return str(self.alerts()[expectation]["fingerprint"])


@pytest.fixture
def house(nonevent: Nonevent, start_daemon: Callable[..., Running], tmp_path: Path) -> House:
    port = free_port()
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "nonevent.yaml").write_text(
        "sources: [{name: export, file: {path: events.jsonl}}]\n"
        f"expectations: [rules.yaml]\nhttp: {{listen: '127.0.0.1:{port}'}}\n"
    )
    (tmp_path / "events.jsonl").touch()
    config = tmp_path / "nonevent.yaml"
    return House(tmp_path, f"http://127.0.0.1:{port}", lambda: start_daemon(config), nonevent)


def told(answer: Answer) -> tuple[int, str]:
    return answer.code, answer.err


def test_what_a_person_on_call_does_with_a_running_daemon(house: House) -> None:
    daemon = house.run()
    ask = house.ask
    assert ask("alerts").code == 1
    listed = ask("alerts", "--label", 'team="a "b" <c>"')
    assert "packed" in listed.out
    assert "paid" not in listed.out
    one = house.fingerprint("paid")
    shown = ask("alerts", one[:10], "--json")
    assert shown.json["fingerprint"] == one
    assert {f["flow"] for f in shown.json["findings"]} == {"ord-1", "ord-2"}
    assert shown.json["link"] == f"{house.url}/alerts/{one}"
    assert "expected order.paid" in ask("alerts", one[:10]).out

    acted = ask("ack", one[:10], "--comment", "on <it>", "--json").json
    assert (acted["kind"], acted["alert"], acted["author"]) == (
        "acknowledge", one, getpass.getuser(),
    )  # fmt: skip
    daemon.wait_until(lambda: house.alerts()["paid"]["acknowledged"] == getpass.getuser())
    assert "acknowledged by" in ask("alerts").out
    assert ask("unack", one[:10], "--author", "ann").code == 0
    daemon.wait_until(lambda: house.alerts()["paid"]["acknowledged"] is None)

    made = ask("silence", "add", 'team="a "b" <c>"', "--for", "2h", "--comment", "release").out
    assert made.startswith('silence 3: team="a "b" <c>" until ')
    daemon.wait_until(lambda: "release" in (house.alerts()["packed"]["quiet"] or ""))
    assert "active" in ask("silence", "list").out
    assert ask("silence", "expire", "3").code == 0
    daemon.wait_until(lambda: house.alerts()["packed"]["quiet"] is None)
    assert ask("silence", "list", "--state", "active", "--json").json["items"] == []

    assert ask("mark", "deploy", "--comment", "payments 4.2").out.startswith("mark 5: everything")
    assert ask("mark", "maintenance", "severity=critical", "--for", "1h").code == 0
    daemon.wait_until(lambda: "maintenance" in (house.alerts()["paid"]["quiet"] or ""))
    assert ask("mark", "end", "6").code == 0
    marks = ask("mark", "list", "--json").json["items"]
    assert [(one["what"], one["state"]) for one in marks] == [
        ("maintenance", "over"), ("deploy", "over"),
    ]  # fmt: skip
    assert "payments 4.2" in ask("alerts", one).out

    assert ask("close", "--expectation", "paid", "--comment", "refunded").code == 0
    daemon.wait_until(lambda: house.alerts()["paid"]["state"] == "resolved")
    (finding, other) = ask("findings", "--state", "open", "--json").json["items"]
    assert ask("close", "--finding", finding["id"]).code == 0
    daemon.wait_until(lambda: house.alerts()["packed"]["count"] == 1)
    ask("close", "--finding", other["id"])
    daemon.wait_until(lambda: ask("alerts").code == 0)
    kinds = [one["kind"] for one in ask("acts", "--json").json["items"]]
    assert kinds == [
        "close", "close", "close", "expire", "mark", "mark", "expire", "silence", "take_back",
        "acknowledge",
    ]  # fmt: skip
    assert "refunded" in ask("acts", "--kind", "close").out


def test_what_is_done_while_no_daemon_runs_is_taken_up_when_it_starts(house: House) -> None:
    house.run().stop()
    one, other = house.fingerprint("paid"), house.fingerprint("packed")
    assert house.ask("ack", one[:10], "--author", "ann").code == 0
    assert house.ask("close", other, "--author", "bob", "--comment", "known").code == 0
    assert house.ask("silence", "add", "expectation=paid", "--for", "1h").code == 0
    assert house.alerts()["paid"]["acknowledged"] is None, "nobody judges it yet"
    daemon = house.run()
    daemon.wait_until(lambda: house.alerts()["paid"]["acknowledged"] == "ann")
    alerts = house.alerts()
    assert "silenced by" in alerts["paid"]["quiet"]
    assert (alerts["packed"]["state"], alerts["packed"]["reason"]) == (
        "resolved", "closed by bob: known",
    )  # fmt: skip
    assert len(house.ask("acts", "--json").json["items"]) == 3


def test_what_was_answered_is_done_whatever_becomes_of_the_daemon(house: House) -> None:
    daemon = house.run()
    one, other = house.fingerprint("paid"), house.fingerprint("packed")
    rules = house.folder / "rules.yaml"
    rules.write_text(
        RULES + "  - {name: new, after: order.created, expect: order.sent, within: 1d}\n"
    )
    # The daemon goes on with other rules within a second or two: before, during and after it.
    for number in range(20):
        assert house.ask("ack", one, "--author", f"person {number}").code == 0
    daemon.wait_until(lambda: house.alerts()["paid"]["acknowledged"] == "person 19")
    daemon.wait_until(lambda: "the rules have changed" in daemon.log())
    daemon.wait_until(lambda: daemon.log().count("watching 1 sources with 3 expectations") == 1)
    assert house.ask("ack", one, "--author", "after all").code == 0
    daemon.wait_until(lambda: house.alerts()["paid"]["acknowledged"] == "after all")
    assert house.ask("close", other, "--author", "bob").code == 0
    assert house.ask("silence", "add", "expectation=paid", "--for", "1h").code == 0
    daemon.stop(signal.SIGKILL)
    daemon = house.run()
    daemon.wait_until(lambda: house.alerts()["packed"]["reason"] == "closed by bob")
    daemon.wait_until(lambda: house.alerts()["paid"]["quiet"] is not None)
    assert house.alerts()["paid"]["acknowledged"] == "after all"
    assert len(house.ask("acts", "--limit", "100", "--json").json["items"]) == 23


def test_mistakes_are_told_in_the_same_words_by_daemon_and_store(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    daemon = house.run()
    one = house.fingerprint("paid")
    asked: list[tuple[tuple[str, ...], int, str]] = [
        (("ack", "nobody"), 3, "no alert 'nobody'"),
        (("alerts", "nobody"), 3, "no alert 'nobody'"),
        (("ack",), 2, "name either an alert"),
        (("ack", one, "--expectation", "paid"), 2, "name either an alert"),
        (("ack", "--expectation", "unheard of"), 3, "no alert of 'unheard of' stands"),
        (("unack", one), 3, "is acknowledged by nobody"),
        (("ack", one, "--author", " "), 2, "author: say who you are"),
        (("close", one, "--finding", "x"), 2, "--finding: name either"),
        (("close", "--finding", "x"), 3, "no finding 'x'"),
        (("silence", "add", "team", "--for", "1h"), 2, "'team' is not a matcher"),
        (("silence", "add", "a=b"), 2, "a silence needs an end"),
        (("silence", "add", "a=b", "--for", "60d"), 2, "lasts 30 d at most"),
        (("silence", "add", "a=b", "--until", "2h"), 2, "is `for` 2h"),
        (("silence", "add", "type=~.*", "--for", "1h"), 2, "fits every alert. Is that meant?"),
        (("silence", "expire", "7"), 3, "no silence 7"),
        (("mark", "end", "7"), 3, "no mark 7"),
        (("mark", "maintenance", "a=b"), 2, "maintenance needs an end"),
    ]
    for arguments, code, said in asked:
        answer = house.ask(*arguments)
        assert (answer.code, said in answer.err) == (code, True), (arguments, answer)
    by_daemon = [told(house.ask(*arguments)) for arguments, _, _ in asked]
    assert daemon.stop() == 0
    assert [told(house.ask(*arguments)) for arguments, _, _ in asked] == by_daemon
    assert house.ask("acts", "--json").json["items"] == []
    everything = ("silence", "add", "type=~.*", "--for", "1h")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert house.ask(*everything).code == 2
    assert house.ask("acts", "--json").json["items"] == []
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert house.ask(*everything).code == 0
    assert house.ask(*everything, "--yes").code == 0
    assert len(house.ask("acts", "--json").json["items"]) == 2


def test_without_a_store_or_a_daemon_nothing_is_done(nonevent: Nonevent, tmp_path: Path) -> None:
    answer = nonevent("ack", "abc")
    assert (answer.code, "no store at nonevent.duckdb" in answer.err) == (3, True)
    assert not (tmp_path / "nonevent.duckdb").exists()
    away = nonevent("ack", "abc", "--url", f"http://127.0.0.1:{free_port()}")
    assert (away.code, "no nonevent answers" in away.err) == (3, True)


def test_the_daemon_refuses_acts_without_its_header(house: House) -> None:
    house.run()
    answer = httpx.post(
        f"{house.url}/api/silences", json={"author": "x", "matchers": ["a=b"], "for": "1h"},
        trust_env=False,
    )  # fmt: skip
    assert answer.status_code == 403
