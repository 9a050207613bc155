"""What a running daemon says of itself: what it did not keep, what it could not read, how far."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.nonevent.conftest import Nonevent, Running, free_port
from tests.watching import happened, write_events

KEY = "0123456789abcdef"
EVENTS: list[dict[str, object] | bytes] = [
    happened(0, "order.created", "ord-1", payload={"email": "ann@example.com"}),
    happened(1, "test.order", "ord-2", payload={"n": 1}),
    happened(2, "test.order", "ord-3", payload={"n": 1}),
    happened(3, "order.created", None, payload={"email": "bob@example.com"}),
    b"broken line",
]
STORED = 3


@dataclass(frozen=True)
class Watched:
    """A daemon that has stored all that it keeps."""

    daemon: Running
    url: str


@pytest.fixture
def watched(tmp_path: Path, start_daemon: Callable[..., Running]) -> Watched:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    write_events(tmp_path / "events.jsonl", EVENTS)
    configuration = tmp_path / "nonevent.yaml"
    configuration.write_text(
        "sources:\n  - name: export\n    file: {path: events.jsonl}\n"
        f"    hash_key: {KEY}\n    keys: {{email: {{from: [payload:email]}}}}\n"
        "    topics:\n      '*':\n        ignore: event.name.startsWith('test.')\n"
        "        redact: [{path: payload:email, how: hash}]\n"
        f"http: {{listen: '127.0.0.1:{port}'}}\n"
    )
    daemon = start_daemon(configuration)
    daemon.wait_ready(url)
    daemon.wait_until(lambda: httpx.get(f"{url}/api/status").json()["events"] == STORED)
    return Watched(daemon, url)


def test_status_and_metrics_tell_what_was_left_out_and_why(
    nonevent: Nonevent, watched: Watched
) -> None:
    (source,) = nonevent("status", "--json").json["sources"]
    (topic,) = source["skipped"]
    assert source["skipped"] == {topic: {"ignored": 2}}
    problems = source["problems"][topic]
    assert problems["no-correlation-id"] >= 1
    assert (source["behind"], source["counted_in"]) == (0, "bytes")
    assert source["published_after"] is None, "event lines do not say when they were published"
    assert source["behind_seconds"] > 0
    said = nonevent("status").out
    assert "not kept since the start: 2 ignored" in " ".join(said.split())
    assert "export: 0 bytes, complete" in " ".join(said.split())
    told = list(text_string_to_metric_families(httpx.get(f"{watched.url}/metrics").text))
    values = {
        (
            sample.name,
            *(sample.labels.get(name) for name in ("topic", "reason", "stage")),
        ): sample.value
        for family in told
        for sample in family.samples
    }
    assert values["nonevent_skipped_events_total", topic, "ignored", None] == 2
    for problem, count in problems.items():
        assert values["nonevent_read_problems_total", topic, problem, None] == count
    assert values["nonevent_batch_events_sum", None, None, None] == STORED
    assert values["nonevent_commit_seconds_count", None, None, None] >= 1
    assert values["nonevent_stage_seconds_count", None, None, "judge"] >= 1
    assert values["nonevent_source_connected", None, None, None] == 1


def test_a_value_that_was_hashed_is_searched_for_by_what_it_was(
    nonevent: Nonevent, watched: Watched
) -> None:
    for running in (True, False):
        assert nonevent("status", "--json").json["running"] is running
        found = nonevent("flows", "--q", "ann@example.com", "--json").json["items"]
        assert [flow["flow"] for flow in found] == ["ord-1"]
        assert "ann@" not in str(found)
        assert nonevent("show", "ann@example.com", "--json").json["flow"] == "ord-1"
        assert nonevent("flows", "--q", "eve@example.com", "--json").json["items"] == []
        if running:
            assert watched.daemon.stop() == 0
