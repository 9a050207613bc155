"""The shop, put together: its services over their topics, and orders at a steady rate."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence

from demo.plan import FaultPlan
from demo.services.hanging import HangingProducer
from demo.services.house import House
from demo.services.timing import Timing
from demo.shop.event import TOPIC_OF
from demo.shop.order import Order
from demo.shop.roles import ORDERS, ROLES
from demo.switches import Switches
from demo.truth import Truth


class Shop(House[Order]):
    """Services that answer each other's events, from the checkout to the customer's notice."""

    def __init__(
        self,
        bootstrap: str,
        faults: FaultPlan | Switches,
        truth: Truth,
        timing: Timing | None = None,
        prefix: str = "",
    ) -> None:
        switches = Switches(faults) if isinstance(faults, FaultPlan) else faults
        super().__init__(bootstrap, ORDERS, ROLES, switches, truth, timing, prefix)
        self._audit = HangingProducer(
            bootstrap, prefix + TOPIC_OF["stock.reserved"], f"{prefix}stock-audit", switches, truth
        )

    async def begin(self, work: Order) -> None:
        more = work.money() | work.basket()
        await self.services["checkout"].publish("order.created", work, work.flow, more)

    def beside(self) -> Sequence[Coroutine[None, None, None]]:
        return [*super().beside(), self._audit.run()]
