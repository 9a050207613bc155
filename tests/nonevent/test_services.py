"""`nonevent services`, asked of a store without a daemon, and of one that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.rules.ruleset import RuleSet
from collector.store.store import Store
from tests.analyzer.services.bus import Bus, Consumer, orders
from tests.analyzer.services.shop import LOST, fill, shop
from tests.nonevent.conftest import Nonevent
from ui.access import allowed_hosts
from ui.api import create_app
from ui.server import Server
from ui.store_queries import StoreQueries


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "nonevent.duckdb"
    opened = Store(path)
    fill(opened, shop())
    opened.close()
    return path


def test_what_is_unaccounted_for_is_told_with_exit_code_1(nonevent: Nonevent, store: Path) -> None:
    answer = nonevent("services", "--json")
    assert answer.code == 1
    found = {one["service"]: one for one in answer.json["items"]}
    assert found["payment-svc"]["balance"]["unaccounted"] == len(LOST)
    table = nonevent("services")
    assert table.code == 1
    for words in ("payment-svc", "learned, likely", "594", "the newest 1,788 events"):
        assert words in table.out.replace("\n", " "), words


def test_one_service_is_told_in_words_and_by_the_minute(nonevent: Nonevent, store: Path) -> None:
    out = nonevent("services", "payment-svc").out
    assert "600 came, 600 consumed: 594 answered, 0 waiting, 6 unaccounted" in out
    assert "B of A: likely" in out
    assert out.count("2025-06-15 15:") >= 5


def test_all_is_well_with_exit_code_0(nonevent: Nonevent, tmp_path: Path) -> None:
    bus = Bus([Consumer("payment-svc", ("A",), {"A": ("B",)})])
    orders(bus, 50)
    bus.run(60)
    opened = Store(tmp_path / "nonevent.duckdb")
    fill(opened, bus, 60)
    opened.close()
    answer = nonevent("services")
    assert (answer.code, "learned, possible" in answer.out) == (0, True)


def test_where_nothing_is_known_it_says_what_to_do(nonevent: Nonevent, store: Path) -> None:
    answer = nonevent("services", "nobody")
    assert answer.code == 0
    assert "No service" in answer.out
    assert nonevent("services", "--since", "soon").code == 2


def test_a_daemon_is_asked_where_one_runs(nonevent: Nonevent, store: Path, tmp_path: Path) -> None:
    alone = nonevent("services", "--since", "2025-06-15T15:08:00Z", "--json").json
    opened = Store(store)
    app = create_app(
        StoreQueries(opened, RuleSet), token=None, allowed_hosts=allowed_hosts("127.0.0.1"),
        ready=lambda: True,
    )  # fmt: skip
    server = Server(app, host="127.0.0.1", port=0)
    server.start()
    try:
        answer = nonevent(
            "services", "--url", server.url, "--since", "2025-06-15T15:08:00Z", "--json"
        )
        one = nonevent("services", "stock-svc", "--url", server.url, "--json").json["items"]
    finally:
        server.stop()
        opened.close()
    assert answer.json == alone
    assert [item["service"] for item in one] == ["stock-svc"]
