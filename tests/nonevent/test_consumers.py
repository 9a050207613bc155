"""`nonevent consumers`, asked of a store without a daemon."""

from pathlib import Path

import pytest

from collector.consumers.observation import End, Place
from collector.store.store import Store
from tests.consumed import Bus
from tests.nonevent.conftest import Nonevent


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    """Read up to its end, and looked at; the store is open for as long as the test wants."""
    store = Store(tmp_path / "nonevent.duckdb")
    bus = Bus(store)
    bus.look(3)
    return bus


def test_all_is_fine_with_exit_code_0(nonevent: Nonevent, bus: Bus) -> None:
    bus.store.close()
    answer = nonevent("consumers")
    assert answer.code == 0
    assert "payment" in answer.out
    assert "all is read" in answer.out


def test_what_is_bad_is_told_with_its_reason_and_exit_code_1(nonevent: Nonevent, bus: Bus) -> None:
    bus.ends[Place("orders", 0)] = End("id", 140, 140)
    bus.look(17)
    bus.store.close()
    answer = nonevent("consumers", "--json")
    assert answer.code == 1
    (line,) = answer.json["items"]
    assert (line["group"], line["verdict"], line["lag"]) == ("payment", "stuck", 40)
    table = nonevent("consumers", "--group", "payment")
    assert table.code == 1
    assert "stuck" in table.out


def test_a_group_that_nobody_has_seen_is_no_error(nonevent: Nonevent, bus: Bus) -> None:
    bus.store.close()
    answer = nonevent("consumers", "--group", "nobody")
    assert answer.code == 0
    assert "No consumer group was seen" in answer.out
