"""One order: everything about it follows from the seed and its number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from demo.chance import chance
from demo.faults import Fault
from demo.services.event import Payload

DECLINED_SHARE = 0.05
CUSTOMERS = ("ada", "boris", "chidi", "dana", "emre", "frida", "goran", "hana", "ines", "jun")
PRICES = {"teapot": 24.90, "kettle": 49.00, "mug": 8.50, "tray": 17.25, "spoon": 3.20}
PREFIX = "ord-"
TAX = 1.13


class Lots(Protocol):
    """Who decides which order suffers what."""

    @property
    def seed(self) -> int: ...
    def fault_of(self, number: int) -> Fault | None: ...


@dataclass(frozen=True)
class Order:
    """What was ordered, and what is going to happen to it."""

    number: int
    flow: str
    customer: str
    items: tuple[tuple[str, int], ...]
    declined: bool
    fault: Fault | None

    @property
    def order_id(self) -> str:
        return f"{PREFIX}{self.number:05d}"

    @property
    def key(self) -> str:
        return self.order_id

    @property
    def amount(self) -> float:
        return round(sum(PRICES[sku] * quantity for sku, quantity in self.items), 2)

    def about(self) -> Payload:
        return {"order_id": self.order_id}

    def money(self, taxed: bool = False) -> Payload:
        amount = round(self.amount * TAX, 2) if taxed else self.amount
        return {"customer": self.customer, "amount": amount, "currency": "EUR"}

    def basket(self) -> Payload:
        return {"items": [{"sku": sku, "qty": quantity} for sku, quantity in self.items]}


def order(lots: Lots, number: int) -> Order:
    """The order of this number. A faulty one is never declined: one reason is enough."""
    fault = lots.fault_of(number)
    choice = chance(lots.seed, number, "order")
    skus = choice.sample(sorted(PRICES), choice.randint(1, 3))
    return Order(
        number=number,
        flow=f"flow-{chance(lots.seed, number, 'flow').getrandbits(64):016x}",
        customer=choice.choice(CUSTOMERS),
        items=tuple((sku, choice.randint(1, 4)) for sku in skus),
        declined=choice.random() < DECLINED_SHARE and fault is None,
        fault=fault,
    )


def number_of(key: str) -> int | None:
    """The number in an order ID, or None where it is not one of the shop's."""
    digits = key.removeprefix(PREFIX)
    return int(digits) if key.startswith(PREFIX) and digits.isdecimal() else None
