"""One order: everything about it follows from the seed and its number."""

from __future__ import annotations

from dataclasses import dataclass

from demo.chance import chance
from demo.faults import Fault, FaultPlan
from demo.shop.event import Payload

DECLINED_SHARE = 0.05
CUSTOMERS = ("ada", "boris", "chidi", "dana", "emre", "frida", "goran", "hana", "ines", "jun")
PRICES = {"teapot": 24.90, "kettle": 49.00, "mug": 8.50, "tray": 17.25, "spoon": 3.20}
PREFIX = "ord-"


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
    def amount(self) -> float:
        return round(sum(PRICES[sku] * quantity for sku, quantity in self.items), 2)

    def money(self) -> Payload:
        return {"customer": self.customer, "amount": self.amount, "currency": "EUR"}

    def basket(self) -> Payload:
        return {"items": [{"sku": sku, "qty": quantity} for sku, quantity in self.items]}


def order(plan: FaultPlan, number: int) -> Order:
    """The order of this number. A faulty one is never declined: one reason is enough."""
    fault = plan.fault_of(number)
    choice = chance(plan.seed, number, "order")
    skus = choice.sample(sorted(PRICES), choice.randint(1, 3))
    return Order(
        number=number,
        flow=f"flow-{chance(plan.seed, number, 'flow').getrandbits(64):016x}",
        customer=choice.choice(CUSTOMERS),
        items=tuple((sku, choice.randint(1, 4)) for sku in skus),
        declined=choice.random() < DECLINED_SHARE and fault is None,
        fault=fault,
    )


def number_of(payload: Payload) -> int | None:
    """The number in a payload's order ID, or None where it is not one of the shop's."""
    match payload:
        case {"order_id": str(order_id)}:
            digits = order_id.removeprefix(PREFIX)
            return int(digits) if digits.isdecimal() else None
    return None
