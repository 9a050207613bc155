"""The daemon on a disk that is full: it says so, answers, and goes on when there is room."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.nonevent.conftest import Nonevent, Running, free_port
from tests.nonevent.test_cli import RULES
from tests.small_disk import a_disk
from tests.watching import happened, write_events


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    with a_disk(tmp_path / "small", "24m") as place:
        yield place


def test_it_waits_for_room_says_so_and_goes_on(
    small: Path, tmp_path: Path, nonevent: Nonevent, start_daemon: Callable[..., Running]
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "order.yaml").write_text(RULES)
    config = tmp_path / "nonevent.yaml"
    config.write_text(
        "sources: [{name: export, file: {path: events.jsonl}}]\nexpectations: [order.yaml]\n"
        f"store: {{path: small/s.duckdb, memory: 200MB}}\nhttp: {{listen: '127.0.0.1:{port}'}}\n"
    )
    first, more = 100, 5_000
    events = tmp_path / "events.jsonl"
    write_events(events, [happened(n, "order.created", f"o-{n}") for n in range(first)])
    daemon = start_daemon(config)
    daemon.wait_ready(url)

    def stored() -> int:
        return int(httpx.get(f"{url}/api/status", trust_env=False).json()["events"])

    daemon.wait_until(lambda: stored() == first)
    filler = small / "filler"
    with filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)) == 4096 and room(small):
            pass
    payload = {"bytes": os.urandom(200).hex()}
    write_events(
        events, [happened(n, "order.paid", f"o-{n}", payload=payload) for n in range(more)]
    )
    daemon.wait_until(lambda: httpx.get(f"{url}/readyz", trust_env=False).status_code == 503)
    status = httpx.get(f"{url}/api/status", trust_env=False).json()
    assert status["store_full"].startswith("no room on the disk")
    assert status["events"] == first
    assert "noroomonthedisk" in "".join(nonevent("status", "--config", config).out.split())
    assert "Nothing is read until there is room" in daemon.log()
    filler.unlink()
    daemon.wait_until(lambda: stored() == first + more)
    daemon.wait_ready(url)
    assert daemon.stop() == 0
    assert len(nonevent("export", "--config", config).out.splitlines()) == first + more


def room(place: Path) -> int:
    return os.statvfs(place).f_bavail
