"""Services that run side by side, and work that comes in at a steady rate."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, TypeVar

from demo.services.deadlines import Deadlines
from demo.services.ledger import Ledger
from demo.services.role import Role
from demo.services.service import Service
from demo.services.setting import Setting
from demo.services.timing import Timing
from demo.services.topics import create_topics
from demo.services.work import Business, W
from demo.switches import Switches
from demo.truth import Truth

LOOK_EVERY = 0.2  # seconds between looks at the deadlines

Self = TypeVar("Self", bound="House[Any]")


class House(Generic[W]):
    """Open as long as its `async with` block runs.

    Two of a kind on one bus need different prefixes or seeds: the seed gives the IDs.
    """

    def __init__(
        self,
        bootstrap: str,
        business: Business[W],
        roles: Sequence[Role[W]],
        switches: Switches,
        truth: Truth,
        timing: Timing | None = None,
        prefix: str = "",
    ) -> None:
        self.ledger: Ledger[W] = Ledger()
        self.switches = switches
        self.truth = truth
        timing = timing or Timing()
        deadlines = Deadlines(business.awaits, timing.within, switches, truth)
        self._setting = Setting(
            bootstrap, business, switches, truth, self.ledger, deadlines, timing, prefix
        )
        self.services = {role.name: Service(role, self._setting) for role in roles}
        for service in self.services.values():
            service.colleagues = self.services
        self._numbers = itertools.count(1)
        self._running: list[asyncio.Task[None]] = []
        self._open = AsyncExitStack()

    @property
    def topics(self) -> list[str]:
        return list(self.carried)

    @property
    def carried(self) -> dict[str, list[str]]:
        """The names of the events that each topic carries."""
        return self._setting.business.carried(self._setting.prefix)

    async def begin(self, work: W) -> None:
        """What a customer does: not the answer to an event."""
        raise NotImplementedError

    def beside(self) -> Sequence[Coroutine[None, None, None]]:
        """What runs beside the services."""
        return [self._look_at_deadlines()]

    async def __aenter__(self: Self) -> Self:
        async with AsyncExitStack() as started:
            await create_topics(self._setting.bootstrap, self.topics)
            services = self.services.values()
            started.push_async_callback(_at_once, [service.stop for service in services])
            await _at_once([service.start for service in services])
            self._open = started.pop_all()
        self._running = [
            asyncio.create_task(work)
            for work in [*(service.run() for service in services), *self.beside()]
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

    async def take(self, rate: float, count: int | None = None) -> None:
        """Begin `count` pieces of work, `rate` a second; without a count, for ever."""
        await self._unless_one_fails(self._take(rate, count))

    async def settled(self) -> None:
        """Return when all work is completed, cancelled or lost."""
        await self._unless_one_fails(self.ledger.all_ended())

    async def _take(self, rate: float, count: int | None) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        for taken in itertools.count() if count is None else range(count):
            await asyncio.sleep(begun + taken / rate - clock())
            work = self._setting.business.work(self.switches, next(self._numbers))
            self.ledger.begin(work)
            await self.begin(work)

    async def _look_at_deadlines(self) -> None:
        while True:
            self._setting.deadlines.look(datetime.now(UTC))
            await asyncio.sleep(LOOK_EVERY)

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
