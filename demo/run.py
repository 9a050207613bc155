"""`nonevent demo`: a real Kafka, a shop whose faults are switched on, and nonevent beside it."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import tempfile
import webbrowser
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from demo.broker import Broker
from demo.daemon import Daemon, choose_port
from demo.ending import Ending
from demo.errors import DemoError, OptionError
from demo.faults import FaultPlan, default_plan, parse_faults
from demo.kafka_jars import KAFKA
from demo.screen import Screen
from demo.shop import Shop
from demo.shop.order import order
from demo.truth import Truth
from demo.watch import Watch, findings

LOOK_EVERY = 1.0  # seconds


@dataclass(frozen=True)
class DemoOptions:
    """The options of `nonevent demo`; `faults` as they were written (`NAME` or `NAME=SHARE`)."""

    port: int | None = None
    rate: float = 2.0  # orders a second
    duration: float | None = None  # seconds; None: until Ctrl-C
    seed: int | None = None
    faults: tuple[str, ...] = ()
    truth: Path | None = None
    bootstrap: str | None = None  # a bus that is there already
    open_page: bool = True


def run_demo(options: DemoOptions) -> int:
    """Run until Ctrl-C, SIGTERM or the end of the duration; the exit code."""
    try:
        plan = _plan(options)
        with Ending() as ending, ExitStack() as stack:
            _run(options, plan, ending, stack)
    except KeyboardInterrupt:
        return 0
    except DemoError as error:
        print(f"nonevent demo: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _plan(options: DemoOptions) -> FaultPlan:
    if options.rate <= 0:
        raise OptionError(f"--rate {options.rate:g}: orders a second, more than 0")
    if options.duration is not None and options.duration <= 0:
        raise OptionError("--duration: more than 0 s, or leave it out to run until Ctrl-C")
    seed = random.randrange(10_000) if options.seed is None else options.seed
    if not options.faults:
        return default_plan(seed)
    return FaultPlan(seed, parse_faults(options.faults))


def _run(options: DemoOptions, plan: FaultPlan, ending: Ending, stack: ExitStack) -> None:
    """Open the parts in order; the stack closes them in the reverse one."""
    port = choose_port(options.port)
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
    port: int
    truth: Truth
    broker: Broker | None
    screen: Screen

    async def run(self, ending: Ending) -> None:
        bootstrap = self.broker.bootstrap if self.broker else self.options.bootstrap or ""
        # Its own bus holds nothing but the shop; of another, only what comes from now on counts.
        start = "earliest" if self.broker else "latest"
        async with Shop(bootstrap, self.plan, self.truth) as shop:
            watch = Watch(self.truth, self.plan, shop.ledger.flows)
            try:
                with Daemon(self.folder, bootstrap, start, self.port) as daemon:
                    self.screen.say("Starting nonevent …")
                    end = asyncio.create_task(ending.wait())
                    try:
                        await self._until_the_end(shop, daemon, watch, end)
                    finally:
                        end.cancel()
            finally:
                ledger = shop.ledger
                if ledger.created:
                    self.screen.summary(ledger.created, ledger.open, ledger.ended, watch)

    async def _until_the_end(
        self, shop: Shop, daemon: Daemon, watch: Watch, end: asyncio.Task[None]
    ) -> None:
        ready = asyncio.create_task(daemon.ready())
        if not await _first(ready, end):
            return
        self._open(daemon, watch)
        async with httpx.AsyncClient(base_url=daemon.url, timeout=5.0) as client:
            orders = asyncio.create_task(shop.take_orders(self.options.rate))
            looking = asyncio.create_task(self._look(client, daemon, watch))
            try:
                await _first(orders, looking, end, timeout=self.options.duration)
            finally:
                orders.cancel()
                looking.cancel()
            await self._look_once(client, watch)

    def _open(self, daemon: Daemon, watch: Watch) -> None:
        own = f"Apache Kafka {KAFKA} of the demo's own"
        bus = f"{self.broker.bootstrap} ({own})" if self.broker else f"{self.options.bootstrap}"
        self.screen.opening(daemon.url, bus, watch, self.options.rate)
        if self.options.open_page and _has_display():
            webbrowser.open(daemon.url)

    async def _look(self, client: httpx.AsyncClient, daemon: Daemon, watch: Watch) -> None:
        while True:
            daemon.check()
            if self.broker and not self.broker.pid:
                raise DemoError(self.broker.account("ended by itself"))
            await self._look_once(client, watch)
            await asyncio.sleep(LOOK_EVERY)

    async def _look_once(self, client: httpx.AsyncClient, watch: Watch) -> None:
        try:
            found = await findings(client)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            self.screen.say(f"[yellow]/api/findings does not answer[/]: {error or repr(error)}")
            return
        for line, finding in watch.look(found):
            number = watch.numbers[line.flow]
            self.screen.seen(line, finding, order(self.plan, number).order_id)


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
