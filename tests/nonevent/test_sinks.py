"""A real daemon and its sinks: told, told again where it is wanted, told that it is over."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.times import US_PER_S, format_time
from nonevent.clock import clock
from tests.analyzer.sinks.receiver import Receiver, Request, receiver
from tests.nonevent.conftest import Running, free_port

RULES = """
version: 1
flow: order
begins: order.created
expectations:
  - {name: payment follows order, after: order.created, expect: order.paid, within: 1s}
"""
CONFIGURATION = """
labels: {{environment: test}}
sources: [{{name: bus, file: {{path: events.jsonl}}}}]
expectations: [rules.yaml]
http: {{listen: "127.0.0.1:{port}"}}
alerts:
  group_interval: 0s
  sinks:
    hook: {{webhook: {{url: "{url}/hook", secret: "sixteen characters"}}}}
    metrics: {{alertmanager: {{urls: ["{url}/metrics"], resend_every: 1s}}}}
    chat: {{apprise: {{urls: ["{json}/chat/{{fingerprint}}"], title: "{{{{ oldest }}}}!"}}}}
    notebook: {{log: {{}}}}
"""


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def start(
    tmp_path: Path, server: Receiver, start_daemon: Callable[..., Running]
) -> Callable[[], Running]:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "events.jsonl").touch()
    url, port = f"http://127.0.0.1:{server.port}", free_port()
    text = CONFIGURATION.format(url=url, json=url.replace("http", "json"), port=port)
    (tmp_path / "nonevent.yaml").write_text(text)

    def run() -> Running:
        daemon = start_daemon(tmp_path / "nonevent.yaml")
        daemon.wait_ready(f"http://127.0.0.1:{port}")
        return daemon

    return run


def happens(folder: Path, name: str, flow: str, moment: int) -> None:
    when = format_time(moment)
    with (folder / "events.jsonl").open("a") as file:
        file.write(f'{{"name": "{name}", "time": "{when}", "correlation_id": "{flow}"}}\n')


def taken(server: Receiver, path: str) -> list[Request]:
    return [one for one in server.taken if one.path.startswith(path)]


def ends(server: Receiver) -> list[str]:
    return [one.json[0]["endsAt"] for one in taken(server, "/metrics")]


async def test_every_kind_is_told_through_a_crash_and_an_outage(
    tmp_path: Path, server: Receiver, start: Callable[[], Running]
) -> None:
    daemon, began = start(), clock()
    happens(tmp_path, "order.created", "ord-1", began)
    happens(tmp_path, "tick", "other", began + 10 * US_PER_S)
    daemon.wait_until(lambda: all(taken(server, path) for path in ("/hook", "/metrics", "/chat")))
    (hook,) = taken(server, "/hook")
    assert hook.json["status"] == "firing"
    assert hook.json["oldest"] == "ord-1"
    assert hook.json["labels"]["environment"] == "test"
    assert hook.headers["nonevent-signature"].startswith("t=")
    assert httpx.get(hook.json["findings"][0]["link"], trust_env=False).status_code == 200
    (chat,) = taken(server, "/chat")
    assert chat.path == f"/chat/{hook.json['fingerprint']}"
    assert chat.json["title"] == "ord-1!"
    assert chat.json["type"] in ("warning", "failure", "info")
    daemon.wait_until(lambda: len(set(ends(server))) > 2)
    daemon.wait_until(lambda: "payment follows order" in daemon.log())

    daemon.stop(signal.SIGKILL)
    told = len(taken(server, "/metrics"))
    daemon = start()
    daemon.wait_until(lambda: len(taken(server, "/metrics")) > told)

    server.always = 503
    happens(tmp_path, "order.paid", "ord-1", began + US_PER_S // 2)
    daemon.wait_until(lambda: b'"resolved"' in b"".join(o.body for o in server.requests))
    server.always = 200
    for path in ("/hook", "/chat"):
        daemon.wait_until(lambda path=path: len(taken(server, path)) > 1)  # type: ignore[misc]
    over = taken(server, "/hook")[-1].json
    assert over["status"] == "resolved"
    assert over["reason"]
    assert {one.json["fingerprint"] for one in taken(server, "/hook")} == {over["fingerprint"]}
    daemon.wait_until(lambda: ends(server)[-1] == over["until"])
    assert daemon.stop() == 0
    assert "secret" not in daemon.log()
    everything: list[dict[str, Any]] = [one.json for one in taken(server, "/hook")]
    ids = [one["id"] for one in everything]
    assert ids == sorted(ids)
