"""The shop, put together: five services over five topics, and orders at a steady rate."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType

from demo.faults import FaultPlan
from demo.shop.ledger import Ledger
from demo.shop.order import order
from demo.shop.service import Service, Setting, Timing
from demo.shop.steps import SERVICES, open_order
from demo.shop.topics import create_topics
from demo.truth import Truth


class Shop:
    """Open as long as its `async with` block runs.

    Two shops on one bus need different prefixes or seeds: the seed gives the IDs.
    """

    def __init__(
        self,
        bootstrap: str,
        plan: FaultPlan,
        truth: Truth,
        timing: Timing | None = None,
        prefix: str = "",
    ) -> None:
        self.ledger = Ledger()
        self._setting = Setting(bootstrap, plan, truth, self.ledger, timing or Timing(), prefix)
        self._services = {
            name: Service(name, steps, self._setting) for name, steps in SERVICES.items()
        }
        self._numbers = itertools.count(1)
        self._running: list[asyncio.Task[None]] = []
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Shop:
        async with AsyncExitStack() as started:
            await create_topics(self._setting.bootstrap, self._setting.prefix)
            services = self._services.values()
            started.push_async_callback(_at_once, [service.stop for service in services])
            await _at_once([service.start for service in services])
            self._open = started.pop_all()
        self._running = [
            asyncio.create_task(service.run(), name=name)
            for name, service in self._services.items()
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._open.aclose()

    async def take_orders(self, rate: float, count: int | None = None) -> None:
        """Open `count` orders, `rate` a second; without a count, for ever."""
        await self._unless_one_fails(self._take_orders(rate, count))

    async def settled(self) -> None:
        """Return when every order is completed, cancelled or lost."""
        await self._unless_one_fails(self.ledger.all_ended())

    async def _take_orders(self, rate: float, count: int | None) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        for taken in itertools.count() if count is None else range(count):
            await asyncio.sleep(begun + taken / rate - clock())
            new = order(self._setting.plan, next(self._numbers))
            await open_order(self._services["checkout"], new)

    async def _unless_one_fails(self, work: Awaitable[None]) -> None:
        """Wait for the work; when a service fails meanwhile, raise what it failed of."""
        waiting = asyncio.ensure_future(work)
        try:
            await asyncio.wait([waiting, *self._running], return_when=asyncio.FIRST_COMPLETED)
            for task in self._running:
                if task.done():
                    task.result()
            await waiting
        finally:
            waiting.cancel()


async def _at_once(calls: Sequence[Callable[[], Awaitable[None]]]) -> None:
    await asyncio.gather(*(call() for call in calls))
