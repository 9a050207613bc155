"""Every route of the API: what it asks the store, what it answers, how it refuses."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.ui import samples
from tests.ui.conftest import NOW, FakeQueries
from ui.api import READERS
from ui.errors import BadParameterError
from ui.models import DroppedPage, EventPage, FindingPage, FlowDetail, FlowPage, Status

NO_FLOW_FILTER = {
    "type": None,
    "state": None,
    "q": None,
    "name": None,
    "without": None,
    "since": None,
    "until": None,
    "limit": 50,
    "cursor": None,
}
Make = Callable[..., httpx.Client]


def test_flows_answers_items_and_next(client: httpx.Client, queries: FakeQueries) -> None:
    answer = client.get("/api/flows")
    assert answer.status_code == 200
    assert set(answer.json()) == {"items", "next"}
    assert FlowPage.model_validate(answer.json()) == queries.flow_page
    assert queries.asked["flows"] == NO_FLOW_FILTER


def test_flows_passes_every_filter_on(client: httpx.Client, queries: FakeQueries) -> None:
    asked = {
        "type": "order",
        "state": "failed",
        "q": "8812",
        "name": "order.created",
        "without": "payment.authorized",
        "since": "2026-03-01T11:00:00.000001+01:00",
        "until": "1772359200000",
        "limit": "7",
        "cursor": "abc",
    }
    assert client.get("/api/flows", params=asked).status_code == 200
    assert queries.asked["flows"] == {
        **asked,
        "since": 1_772_359_200_000_001,
        "until": 1_772_359_200_000_000,
        "limit": 7,
    }


def test_blank_parameters_of_a_form_filter_nothing(
    client: httpx.Client, queries: FakeQueries
) -> None:
    blank = {"type": "", "state": "", "q": "  ", "name": "", "since": "", "cursor": ""}
    assert client.get("/api/flows", params=blank).status_code == 200
    assert queries.asked["flows"] == NO_FLOW_FILTER


def test_since_may_be_an_age(client: httpx.Client, queries: FakeQueries) -> None:
    client.get("/api/findings", params={"since": "1h30m"})
    assert queries.asked["findings"]["since"] == int(NOW - 5_400) * 1_000_000


@pytest.mark.parametrize(
    ("path", "name", "cure"),
    [
        ("/api/flows?since=yesterday", "since", "2026-03-01T10:00:00Z"),
        ("/api/flows?until=2026-03-01T10:00:00", "until", "no zone"),
        ("/api/flows?since=1772359200", "since", "1772359200000"),
        ("/api/flows?state=opne", "state", "'open', 'ended'"),
        ("/api/flows?limit=0", "limit", "greater than or equal to 1"),
        ("/api/flows?limit=many", "limit", "integer"),
        ("/api/flows?stat=open", "stat", "no such parameter"),
        ("/api/findings?state=unknown", "state", "'retracted'"),
        ("/api/events?after=-1", "after", "greater than or equal to 0"),
        ("/api/events?untied=perhaps", "untied", "boolean"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_cure(
    client: httpx.Client, path: str, name: str, cure: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"].startswith(f"{name}: ")
    assert cure in answer.json()["error"]


def test_a_cursor_that_the_store_refuses_is_a_wrong_parameter(
    client: httpx.Client, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> FlowPage:
        raise BadParameterError("cursor", "'zzz' is no cursor of this list; leave it out")

    monkeypatch.setattr(queries, "flows", refuse)
    answer = client.get("/api/flows?cursor=zzz")
    assert answer.status_code == 400
    assert answer.json() == {"error": "cursor: 'zzz' is no cursor of this list; leave it out"}


@pytest.mark.parametrize("asked", ["ord-8812", "8812"])
def test_a_flow_is_found_by_its_id_or_a_key(
    client: httpx.Client, queries: FakeQueries, asked: str
) -> None:
    answer = client.get(f"/api/flows/{asked}")
    assert answer.status_code == 200
    assert FlowDetail.model_validate(answer.json()) == queries.details["ord-8812"]
    assert [item["kind"] for item in answer.json()["timeline"]] == ["event"] * 3 + ["ghost"] * 2


def test_a_flow_id_may_hold_slashes_and_question_marks(client: httpx.Client) -> None:
    answer = client.get("/api/flows/shop%2Ford%208813%3F%23%25")
    assert answer.json()["flow"] == "shop/ord 8813?#%"


def test_an_unknown_flow_says_what_was_looked_for(client: httpx.Client) -> None:
    answer = client.get("/api/flows/ord-1")
    assert answer.status_code == 404
    assert "'ord-1'" in answer.json()["error"]


def test_findings_passes_every_filter_on(client: httpx.Client, queries: FakeQueries) -> None:
    asked = {
        "expectation": "payment follows order",
        "state": "closed",
        "flow": "ord-8812",
        "alert": "3f2a",
        "since": "0",
        "limit": "1000",
        "cursor": "x",
    }
    answer = client.get("/api/findings", params=asked)
    assert FindingPage.model_validate(answer.json()) == queries.finding_page
    assert queries.asked["findings"] == {**asked, "since": 0, "limit": 1000}


def test_findings_without_state_are_all(client: httpx.Client, queries: FakeQueries) -> None:
    client.get("/api/findings")
    assert queries.asked["findings"]["state"] is None


def test_events_passes_every_filter_on(client: httpx.Client, queries: FakeQueries) -> None:
    asked: dict[str, Any] = {"after": 41, "topic": "orders", "name": "order.created", "limit": 5}
    answer = client.get("/api/events", params={**asked, "untied": "true", "problems": "1"})
    assert EventPage.model_validate(answer.json()) == queries.event_page
    assert queries.asked["events"] == {**asked, "untied": True, "problems": True}


def test_status_tells_how_far_everything_was_read(client: httpx.Client) -> None:
    answer = client.get("/api/status").json()
    assert Status.model_validate(answer) == samples.status()
    assert answer["settled_to"] == "2026-03-01T10:04:54Z"
    assert set(answer["sources"][0]["partitions"][0]) >= {
        "topic",
        "partition",
        "position",
        "high_watermark",
        "complete_to",
        "gaps",
    }


def test_dropped_tells_who_drops_correlation_ids(
    client: httpx.Client, queries: FakeQueries
) -> None:
    queries.dropped_page = DroppedPage(items=[samples.dropped()])
    answer = client.get("/api/dropped").json()
    assert answer == {"items": [samples.dropped().model_dump()], "next": None}


def test_counts_are_asked_as_given(client: httpx.Client, queries: FakeQueries) -> None:
    answer = client.get("/api/counts?since=1h&by=name&limit=60")
    assert answer.json() == {"items": [], "next": None}
    assert queries.asked["counts"] == {
        "since": 1_772_355_900_000_000, "until": None, "by": "name", "limit": 60, "cursor": None,
    }  # fmt: skip
    assert client.get("/api/counts?by=partition").status_code == 400


def test_an_unknown_route_answers_json(client: httpx.Client) -> None:
    answer = client.get("/api/flow")
    assert answer.status_code == 404
    assert "/api/flow is not served" in answer.json()["error"]


def test_only_get_is_served(client: httpx.Client) -> None:
    answer = client.post("/api/flows", json={})
    assert answer.status_code == 405
    assert "POST /api/flows" in answer.json()["error"]
    assert answer.headers["allow"] == "GET"


def test_a_failure_of_the_store_is_told_without_its_inside(
    client: httpx.Client, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Status:
        raise RuntimeError("secret path")

    monkeypatch.setattr(queries, "status", fail)
    answer = client.get("/api/status")
    assert answer.status_code == 500
    assert "RuntimeError" in answer.json()["error"]
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_openapi_describes_every_answer(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    paths = {path: operations["get"] for path, operations in described["paths"].items()}
    assert set(paths) == {
        "/api/consumers",
        "/api/counts",
        "/api/flows",
        "/api/flows/{id}",
        "/api/flows/{id}/why",
        "/api/findings",
        "/api/alerts",
        "/api/alerts/{fingerprint}",
        "/api/silences",
        "/api/marks",
        "/api/acts",
        "/api/tally",
        "/api/events",
        "/api/dropped",
        "/api/expectations",
        "/api/names",
        "/api/services",
        "/api/export",
        "/api/status",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for path, operation in paths.items():
        if path == "/api/export":
            # Lines, not one object; docs/api.md describes them.
            assert "application/x-ndjson" in operation["responses"]["200"]["content"]
        elif path.startswith("/api"):
            content = operation["responses"]["200"]["content"]["application/json"]
            assert "$ref" in content["schema"], path
            assert "4XX" in operation["responses"]
    asked = {parameter["name"] for parameter in paths["/api/flows"]["parameters"]}
    assert asked == set(NO_FLOW_FILTER)
    assert client.get("/docs").status_code == 404


def test_few_readers_at_once_and_probes_do_not_wait_for_them(
    make_client: Make, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, release, lock = threading.Event(), threading.Event(), threading.Lock()
    reading = [0, 0]  # now, and at most

    def slow() -> Status:
        with lock:
            reading[0] += 1
            reading[1] = max(reading)
            if reading[0] == READERS:
                full.set()
        release.wait(20)
        with lock:
            reading[0] -= 1
        return samples.status()

    monkeypatch.setattr(queries, "status", slow)
    client = make_client(queries)
    with ThreadPoolExecutor(3 * READERS) as pool:
        answers = [pool.submit(client.get, "/api/status", timeout=30) for _ in range(3 * READERS)]
        assert full.wait(20)
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        release.set()
        assert {answer.result().status_code for answer in answers} == {200}
    assert reading[1] == READERS
