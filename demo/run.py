"""`nonevent demo`: a real Kafka, a shop and a crew with faults, and nonevent beside them."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
import webbrowser
from collections import ChainMap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from demo.beacon import Beacon
from demo.broker import Broker
from demo.control import serving
from demo.crew import Crew
from demo.daemon import Daemon, choose_port
from demo.ending import Ending
from demo.errors import DemoError, OptionError
from demo.kafka_jars import KAFKA
from demo.options import DemoOptions
from demo.plan import FaultPlan
from demo.screen import Screen
from demo.services.topics import used_topics
from demo.services.work import Work
from demo.shop import Shop
from demo.switches import Switches
from demo.truth import Truth
from demo.watch import Watch, findings

LOOK_EVERY = 1.0  # seconds
ORDERS_A_CONVERSATION = 4


def run_demo(options: DemoOptions) -> int:
    """Run until Ctrl-C, SIGTERM or the end of the duration; the exit code."""
    try:
        plan = options.plan()
        with Ending() as ending, ExitStack() as stack:
            _run(options, plan, ending, stack)
    except KeyboardInterrupt:
        return 0
    except DemoError as error:
        print(f"nonevent demo: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _run(options: DemoOptions, plan: FaultPlan, ending: Ending, stack: ExitStack) -> None:
    """Open the parts in order; the stack closes them in the reverse one."""
    port = None if options.shop_only else choose_port(options.port)
    temporary = tempfile.TemporaryDirectory(prefix="nonevent-demo-", ignore_cleanup_errors=True)
    folder = Path(stack.enter_context(temporary))
    # The Kafka client speaks of every wait for a broker: into a file, not between our lines.
    logging.basicConfig(filename=folder / "shop.log", level=logging.WARNING)
    truth = stack.enter_context(Truth(options.truth or folder / "truth.jsonl"))
    screen = Screen()
    broker = None
    if options.bootstrap is None:
        screen.say(f"Starting Apache Kafka {KAFKA} …")
        broker = stack.enter_context(Broker())
    asyncio.run(_Demo(options, plan, folder, port, truth, broker, screen).run(ending))


@dataclass
class _Demo:
    """The parts that run side by side, once there is a bus."""

    options: DemoOptions
    plan: FaultPlan
    folder: Path
    port: int | None  # where nonevent listens; None: it does not run here
    truth: Truth
    broker: Broker | None
    screen: Screen

    async def run(self, ending: Ending) -> None:
        bootstrap = self.broker.bootstrap if self.broker else self.options.bootstrap or ""
        switches, prefix = Switches(self.plan), self.options.named_with
        shop = Shop(bootstrap, switches, self.truth, prefix=prefix)
        crew = Crew(bootstrap, switches, self.truth, prefix=prefix)
        if self.broker is None and not self.options.force:
            await _refuse_used(bootstrap, [*shop.topics, *crew.topics])
        async with shop, crew, serving(switches) as control:
            with _beacon(control) as found:
                self._open(bootstrap, control, found)
                end = asyncio.create_task(ending.wait())
                try:
                    if self.port is None:
                        await self._trade(shop, crew, end)
                    else:
                        await self._watched(shop, crew, bootstrap, self.port, end)
                finally:
                    end.cancel()
        if self.broker is None:
            self.screen.say(f"Its topics stay on {bootstrap}: {', '.join(_names(shop, crew))}")

    async def _watched(
        self, shop: Shop, crew: Crew, bootstrap: str, port: int, end: asyncio.Task[None]
    ) -> None:
        """The trade, and nonevent beside it."""
        # Its own bus holds nothing but the shop; of another, only what comes from now on counts.
        start = "earliest" if self.broker else "latest"
        works: ChainMap[str, Work] = ChainMap({}, shop.ledger.flows, crew.ledger.flows)  # type: ignore[arg-type]  # read only
        watch = Watch(self.truth, works)
        try:
            carried = shop.carried | crew.carried
            with Daemon(self.folder, bootstrap, carried, start, port) as daemon:
                self.screen.say("Starting nonevent …")
                ready = asyncio.create_task(daemon.ready())
                if not await _first(ready, end):
                    return
                self.screen.watching(daemon.url)
                if self.options.open_page and _has_display():
                    webbrowser.open(daemon.url)
                async with httpx.AsyncClient(base_url=daemon.url, timeout=5.0) as client:
                    looking = asyncio.create_task(self._look(client, daemon, watch))
                    try:
                        await self._trade(shop, crew, end, looking)
                    finally:
                        looking.cancel()
                    await self._look_once(client, watch)
        finally:
            if shop.ledger.created:
                self.screen.verdict(watch)

    async def _trade(self, shop: Shop, crew: Crew, *until: asyncio.Task[None]) -> None:
        """Orders and conversations, until one of these ends or the time is over."""
        rate = self.options.rate
        working = [
            asyncio.create_task(shop.take(rate)),
            asyncio.create_task(crew.take(rate / ORDERS_A_CONVERSATION)),
            asyncio.create_task(self._broker_runs()),
        ]
        try:
            await _first(*working, *until, timeout=self.options.duration)
        finally:
            for task in working:
                task.cancel()
            if shop.ledger.created:
                self.screen.say()
                self.screen.summary("orders", shop.ledger)
                self.screen.summary("conversations", crew.ledger)

    def _open(self, bootstrap: str, control: str, found: bool) -> None:
        own = f"Apache Kafka {KAFKA} of the demo's own"
        prefix = self.options.named_with
        named = f", topics {prefix}*" if prefix else ""
        bus = f"{bootstrap} ({own}{named})" if self.broker else f"{bootstrap}{named}"
        self.screen.opening(bus, self.truth, self.plan, self.options.rate)
        self.screen.switches(control, found)
        gone = "its data" if self.broker else "what it keeps here"
        self.screen.say(f"Ctrl-C ends the demo and removes {gone}.")

    async def _broker_runs(self) -> None:
        while True:
            if self.broker and not self.broker.pid:
                raise DemoError(self.broker.account("ended by itself"))
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self, client: httpx.AsyncClient, daemon: Daemon, watch: Watch) -> None:
        while True:
            daemon.check()
            await self._look_once(client, watch)
            await asyncio.sleep(LOOK_EVERY)

    async def _look_once(self, client: httpx.AsyncClient, watch: Watch) -> None:
        try:
            found = await findings(client)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            self.screen.say(f"[yellow]/api/findings does not answer[/]: {error or repr(error)}")
            return
        for line, finding in watch.look(found):
            self.screen.seen(line, finding, watch.works[line.flow or ""].key)


async def _refuse_used(bootstrap: str, names: list[str]) -> None:
    """What lies in a topic already would be taken for the demo's, or the demo's for it."""
    if used := await used_topics(bootstrap, names):
        raise OptionError(
            f"these topics of {bootstrap} hold records already: {', '.join(used)}. Choose other "
            "names with --prefix, or use them all the same with --force."
        )


@contextmanager
def _beacon(control: str) -> Iterator[bool]:
    """Whether word could be left where the demo listens."""
    with ExitStack() as stack:
        lit = False
        with suppress(OSError):
            stack.enter_context(Beacon(control))
            lit = True
        yield lit


def _names(shop: Shop, crew: Crew) -> list[str]:
    return [*shop.topics, *crew.topics]


async def _first(*tasks: asyncio.Task[None], timeout: float | None = None) -> bool:
    """Wait for the first of them, raise what it raised; whether it was the very first named."""
    done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return tasks[0] in done


def _has_display() -> bool:
    """Without one a browser would open in this very terminal."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
