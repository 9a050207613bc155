from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest

from demo.beacon import Beacon, Place, beacon_file, find_demo
from demo.control import serving
from demo.faults import FAULTS, LATE
from demo.plan import FaultPlan
from demo.switches import Switches


async def test_faults_are_listed_and_switched_over_http() -> None:
    switches = Switches(FaultPlan(7))
    async with serving(switches) as url, httpx.AsyncClient(base_url=url) as client:
        items = (await client.get("/faults")).json()["items"]
        assert [one["name"] for one in items] == list(FAULTS)
        assert not any(one["on"] for one in items)
        answer = await client.put("/faults/late", json={"on": True, "share": 0.3})
        assert answer.json() == {
            "name": "late",
            "about": LATE.about,
            "reach": "order",
            "on": True,
            "share": 0.3,
            "expect": dict(LATE.expect),
        }
        assert switches.share(LATE) == 0.3
        await client.put("/faults/late", json={"on": False})
        assert not switches.is_on(LATE)


@pytest.mark.parametrize(
    ("name", "body", "code", "told"),
    [
        ("lost", {"on": True}, 404, "no fault is called 'lost'"),
        ("late", {"on": True, "share": 2}, 422, "2 is no share"),
        ("late", {"on": True, "shard": 1}, 422, "extra_forbidden"),
        ("late", {}, 422, "missing"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    name: str, body: dict[str, object], code: int, told: str
) -> None:
    switches = Switches(FaultPlan(7))
    async with serving(switches) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.put(f"/faults/{name}", json=body)
    assert answer.status_code == code
    assert told in answer.text
    assert switches.plan == FaultPlan(7)


async def test_a_page_of_another_site_cannot_switch_anything() -> None:
    switches = Switches(FaultPlan(7))
    async with serving(switches) as url, httpx.AsyncClient(base_url=url) as client:
        rebound = await client.put(
            "/faults/late", json={"on": True}, headers={"Host": "evil.example"}
        )
        simple = await client.post("/faults/late", content='{"on": true}')
        asked = await client.options(
            "/faults/late",
            headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"},
        )
    assert [rebound.status_code, simple.status_code, asked.status_code] == [400, 405, 405]
    assert not switches.is_on(LATE)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_a_demo_is_found_while_it_runs_and_only_its_owner_may_read_where(runtime: Path) -> None:
    assert find_demo() is None
    with Beacon("http://127.0.0.1:1"):
        assert find_demo() == "http://127.0.0.1:1"
        assert beacon_file().parent == runtime
        assert beacon_file().stat().st_mode & 0o777 == 0o600
    assert find_demo() is None
    assert list(runtime.iterdir()) == []


def test_the_demo_that_was_started_last_is_found_and_the_first_takes_nothing_away(
    runtime: Path,
) -> None:
    first, second = Beacon("http://127.0.0.1:1"), Beacon("http://127.0.0.1:2")
    with first:
        second.__enter__()
        assert find_demo() == "http://127.0.0.1:2"
    assert find_demo() == "http://127.0.0.1:2"
    second.__exit__()
    assert find_demo() is None


@pytest.mark.parametrize("pid", [0, -1, 2**31 - 7])
def test_a_word_of_a_demo_that_has_gone_is_no_word(runtime: Path, pid: int) -> None:
    beacon_file().write_bytes(msgspec.json.encode(Place("http://127.0.0.1:1", pid)))
    assert find_demo() is None


def test_a_link_that_somebody_laid_there_is_not_written_through(runtime: Path) -> None:
    target = runtime / "precious"
    target.write_text("mine")
    beacon_file().symlink_to(target)
    with Beacon("http://127.0.0.1:1"):
        assert target.read_text() == "mine"
        assert not beacon_file().is_symlink()
