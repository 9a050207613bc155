"""A service: a consumer in a group of its own, a producer, and a step for each event it knows."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from demo.chance import chance, unique_id
from demo.faults import Fault, FaultPlan
from demo.shop.event import TOPIC_OF, Event, Payload, Record, read
from demo.shop.ledger import Ledger
from demo.shop.order import Order, number_of, order
from demo.truth import Position, Truth, moment

REMEMBERED = 10_000  # event IDs a service knows it has handled
GOODBYE = 3.0  # seconds for leaving the group and closing connections
PAUSE = 0.5  # seconds between tries while the broker is away

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """In seconds: the deadline that `late` must miss, by how much, and how long steps take."""

    payment_within: float = 10.0
    late_by: float = 8.0
    quickest: float = 0.005
    slowest: float = 0.060


@dataclass(frozen=True)
class Setting:
    """What all services of one shop share; `prefix` stands before its topics and groups."""

    bootstrap: str
    plan: FaultPlan
    truth: Truth
    ledger: Ledger
    timing: Timing = Timing()
    prefix: str = ""


@dataclass(frozen=True)
class Cause:
    """What a step acts on: an event, where it lay, and the order it is about."""

    event: Event
    position: Position
    order: Order


Step = Callable[["Service", Cause], Awaitable[None]]


class Service:
    """Reads at least once, and handles an event once: its ID is remembered."""

    def __init__(self, name: str, steps: Mapping[str, Step], setting: Setting) -> None:
        self.name = name
        self.setting = setting
        self._steps = steps
        self._handled: OrderedDict[str, None] = OrderedDict()
        self._after_commit: list[Callable[[], None]] = []
        self._later: set[asyncio.Task[None]] = set()
        self._open = AsyncExitStack()
        self._consumer: AIOKafkaConsumer
        self._producer: AIOKafkaProducer

    async def start(self) -> None:
        prefix, group = self.setting.prefix, f"{self.setting.prefix}{self.name}-svc"
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self.setting.bootstrap,
            client_id=group,
            acks="all",
            # Else a send that is tried again would be a duplicate nobody has ordered.
            enable_idempotence=True,
        )
        self._consumer = AIOKafkaConsumer(
            *sorted({prefix + TOPIC_OF[name] for name in self._steps}),
            bootstrap_servers=self.setting.bootstrap,
            client_id=group,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._open.push_async_callback(self._producer.stop)
        await self._producer.start()
        self._open.push_async_callback(self._consumer.stop)
        await self._consumer.start()

    async def stop(self) -> None:
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        # The clients want to say goodbye, and wait for a dead broker for ever.
        closing = asyncio.ensure_future(self._open.aclose())
        if not (await asyncio.wait([closing], timeout=GOODBYE))[0]:
            log.warning("%s leaves without a goodbye: the broker does not answer", self.name)
            closing.cancel()

    async def run(self) -> None:
        """Read, act, commit; for ever."""
        while True:
            batches = await self._consumer.getmany(timeout_ms=1_000, max_records=200)
            records = [record for batch in batches.values() for record in batch]
            if records:
                # Side by side: they are different orders, and one need not wait for another.
                await asyncio.gather(*(self._handle(record) for record in records))
                await self._commit()

    async def publish(self, name: str, order: Order, flow: str | None, more: Payload) -> Position:
        """Publish an event about the order; returns when every replica has it."""
        payload = {"order_id": order.order_id, "occurred_at": moment(), **more}
        event_id = unique_id(self.setting.plan.seed, order.number, name)
        return await self.send(Event(name, event_id, flow, payload), order)

    async def send(self, event: Event, order: Order) -> Position:
        topic = self.setting.prefix + TOPIC_OF[event.type]
        key, headers = order.order_id.encode(), event.headers(self.name)
        while True:
            try:
                sent = await self._producer.send_and_wait(
                    topic, event.value(), key, headers=headers
                )
            except KafkaError as error:
                await self._wait_for_broker(error)
            else:
                return Position(sent.topic, sent.partition, sent.offset)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do it once the group's offset has passed the event that is being handled."""
        self._after_commit.append(act)

    def later(self, work: Coroutine[None, None, None]) -> None:
        """Go on with other events meanwhile."""
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def tell(self, fault: Fault, order: Order, position: Position) -> None:
        self.setting.truth.tell(fault, order.flow, position)

    async def _handle(self, record: Record) -> None:
        event = read(record)
        step = self._steps.get(event.type) if event else None
        if event is None or step is None or event.event_id in self._handled:
            return
        seed, timing = self.setting.plan.seed, self.setting.timing
        number = number_of(event.payload)
        # An earlier run may have left orders of the same numbers under way: they are not ours.
        if number is None or event.event_id != unique_id(seed, number, event.type):
            return
        self._remember(event.event_id)
        pace = chance(seed, number, f"{self.name} takes")
        await asyncio.sleep(pace.uniform(timing.quickest, timing.slowest))
        position = Position(record.topic, record.partition, record.offset)
        await step(self, Cause(event, position, order(self.setting.plan, number)))

    def _remember(self, event_id: str) -> None:
        self._handled[event_id] = None
        if len(self._handled) > REMEMBERED:
            self._handled.popitem(last=False)

    async def _commit(self) -> None:
        while True:
            try:
                await self._consumer.commit()
                break
            except KafkaError as error:
                if not error.retriable:
                    # Another member has taken the partition: it reads the events again.
                    log.warning("%s: not committed: %s", self.name, error)
                    break
                await self._wait_for_broker(error)
        for act in self._after_commit:
            act()
        self._after_commit.clear()

    async def _wait_for_broker(self, error: KafkaError) -> None:
        """Fail for good on what time does not heal."""
        if not error.retriable:
            raise error
        log.warning("%s waits for the broker: %s", self.name, error)
        await asyncio.sleep(PAUSE)
