from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.plan import FaultPlan
from demo.services.deadlines import Deadlines
from demo.shop.event import AWAITS
from demo.shop.order import Order, order
from demo.switches import Switches
from demo.truth import Position, Truth

START = datetime(2026, 3, 1, tzinfo=UTC)
AT = Position("payments", 0, 7)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class House:
    """Deadlines of 10 s, and payment's consumer stopped from 100 s on."""

    def __init__(self, folder: Path, **shares: float) -> None:
        self.truth = Truth(folder / "truth.jsonl")
        self.switches = Switches(FaultPlan(7, shares), lambda: at(100))
        self.switches.switch("stopped-consumer", on=True)
        self.deadlines = Deadlines(AWAITS, 10.0, self.switches, self.truth)

    def order(self, number: int = 1) -> Order:
        return order(self.switches, number)

    def created(self, seconds: float) -> Order:
        one = self.order()
        self.deadlines.begins("order.created", one, at(seconds))
        self.deadlines.lies("order.created", one, Position("orders", 1, 3))
        return one

    def published(self, name: str, one: Order, seconds: float) -> None:
        self.deadlines.comes(name, one, at(seconds))
        self.deadlines.answered(name, one, at(seconds), AT)

    def told(self) -> list[tuple[str, str, Position | None]]:
        return [(line.fault, line.expect["finding"], line.position) for line in self.truth.lines]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_deadline_itself_is_in_time(house: House) -> None:
    one = house.created(200)
    house.deadlines.look(at(210))
    house.published("payment.authorized", one, 210)
    assert house.told() == []


def test_what_comes_in_time_is_in_time_however_long_the_broker_takes(house: House) -> None:
    one = house.created(200)
    house.deadlines.comes("payment.authorized", one, at(209))
    house.deadlines.look(at(211))
    house.deadlines.answered("payment.authorized", one, at(209), AT)
    assert house.told() == []


def test_first_it_is_missing_and_then_late(house: House) -> None:
    one = house.created(200)
    for moment in (210.1, 211, 212):
        house.deadlines.look(at(moment))
    assert house.told() == [("stopped-consumer", "missing", Position("orders", 1, 3))]
    house.published("payment.declined", one, 213)
    assert house.told()[1:] == [("stopped-consumer", "late", AT)]
    house.deadlines.look(at(300))
    assert len(house.told()) == 2


def test_without_a_fault_of_that_service_nobody_is_blamed(house: House) -> None:
    one = house.created(50)
    house.deadlines.look(at(70))
    house.published("payment.authorized", one, 71)
    house.deadlines.begins("payment.authorized", one, at(200))
    house.deadlines.look(at(220))
    assert house.told() == []


def test_a_fault_of_its_own_tells_its_own_truth(tmp_path: Path) -> None:
    house = House(tmp_path, late=1.0)
    one = house.created(200)
    house.deadlines.own("order.created", one)
    house.deadlines.look(at(220))
    house.published("payment.authorized", one, 221)
    assert house.told() == []


@pytest.mark.parametrize(("cancelled", "told"), [(210, []), (210.1, ["missing", "late"])])
def test_what_excuses_in_time_ends_the_waiting(
    house: House, cancelled: float, told: list[str]
) -> None:
    house.switches.switch("slow-consumer", on=True)
    one = house.order()
    house.deadlines.begins("stock.reserved", one, at(200))
    house.deadlines.begins("stock.reserved", one, at(205))  # a copy begins nothing anew
    house.published("order.cancelled", one, cancelled)
    house.deadlines.look(at(211))
    house.published("order.shipped", one, 212)
    assert [finding for _, finding, _ in house.told()] == told
