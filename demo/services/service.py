"""A service: a consumer in a group of its own, a producer, and a step for each event it knows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Generic

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from demo.chance import chance, unique_id
from demo.faults import POISON_MESSAGE, SLOW_CONSUMER, STOPPED_CONSUMER, Fault
from demo.services.event import Event, Headers, Payload, Record, UnreadableError, read
from demo.services.inbox import PAUSE, Inbox
from demo.services.letters import attempt_of, due_of
from demo.services.role import Cause, Role
from demo.services.setting import Setting
from demo.services.work import W
from demo.truth import Position, moment

REMEMBERED = 10_000  # events a service knows it has handled
AT_ONCE = 200
GOODBYE = 3.0  # seconds for leaving the group and closing connections

log = logging.getLogger(__name__)


class Service(Generic[W]):
    """Reads at least once, and handles an event once: it is remembered."""

    def __init__(self, role: Role[W], setting: Setting[W]) -> None:
        self.name = role.name
        self.setting = setting
        self._steps = role.steps
        self.colleagues: Mapping[str, Service[W]] = {}  # for what a customer does between them
        self.notes: set[int] = set()  # numbers of work that a step must remember
        self._handled: OrderedDict[str, None] = OrderedDict()
        self._after_commit: list[Callable[[], None]] = []
        self._later: set[asyncio.Task[None]] = set()
        self._open = AsyncExitStack()
        prefix, topic_of = setting.prefix, setting.business.topic_of
        topics = role.topics or {topic_of[name] for name in role.steps}
        self._group = prefix + role.group
        self.inbox = Inbox(setting.bootstrap, self._group, {prefix + topic for topic in topics})
        self._producer: AIOKafkaProducer

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self.setting.bootstrap,
            client_id=self._group,
            acks="all",
            # Else a send that is tried again would be a duplicate nobody has ordered.
            enable_idempotence=True,
        )
        self._open.push_async_callback(self._producer.stop)
        await self._producer.start()
        self._open.push_async_callback(self.inbox.close)
        await self.inbox.open()

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
        slow = False
        while True:
            if self._suffers(STOPPED_CONSUMER):
                await self._stay_away()
            if slow is not self._suffers(SLOW_CONSUMER):
                slow = not slow
                self.setting.truth.tell_switched(SLOW_CONSUMER, "on" if slow else "off")
            if batches := await self.inbox.take(1 if slow else AT_ONCE):
                await self._work(batches, slow)

    async def _work(self, batches: list[list[Record]], slow: bool) -> None:
        """Handle what was taken, up to what must be tried again."""
        for records in batches:
            for index, record in enumerate(records):
                if self._is_stuck_at(record):
                    self.inbox.again(record)
                    del records[index:]
                    break
        # Side by side: they are different orders, and one need not wait for another.
        await asyncio.gather(*(self._handle(one, slow) for records in batches for one in records))
        await self.inbox.commit()
        for act in self._after_commit:
            act()
        self._after_commit.clear()

    async def publish(
        self,
        name: str,
        work: W,
        flow: str | None,
        more: Payload,
        event_id: str | None = None,
        again: bool = False,
        spoil: Callable[[bytes], bytes] = bytes,
    ) -> Position:
        """Publish an event about the work (maybe again); returns when every replica has it."""
        setting, at = self.setting, moment()
        now = datetime.fromisoformat(at)
        event_id = event_id or unique_id(setting.switches.seed, work.number, name)
        event = Event(name, event_id, flow, {**work.about(), "occurred_at": at, **more})
        if flow is not None and not again:  # else no rule can see that it waits
            setting.deadlines.begins(name, work, now)
        setting.deadlines.comes(name, work, now)
        headers = setting.business.headers(event, self.name)
        topic = setting.business.topic_of[name]
        position = await self.send(topic, work.key.encode(), spoil(event.value()), headers)
        setting.deadlines.lies(name, work, position)
        setting.deadlines.answered(name, work, now, position)
        return position

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Position:
        while True:
            try:
                sent = await self._producer.send_and_wait(
                    self.setting.prefix + topic, value, key, headers=headers
                )
            except KafkaError as error:
                if not error.retriable:
                    raise  # what time does not heal
                log.warning("%s waits for the broker: %s", self.name, error)
                await asyncio.sleep(PAUSE)
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

    def tell(self, fault: Fault, work: W, position: Position) -> None:
        self.setting.truth.tell(fault, work.flow, position)

    def lose(self, fault: Fault, work: W, position: Position) -> None:
        """Nothing will come of it any more."""
        self.tell(fault, work, position)
        self.setting.ledger.end(work.number, "lost")

    def _suffers(self, fault: Fault) -> bool:
        return fault.service == self.name and self.setting.switches.is_on(fault)

    async def _stay_away(self) -> None:
        """Leave the group until the fault is switched off."""
        await self.inbox.close()
        self.setting.truth.tell_switched(STOPPED_CONSUMER, "on")
        await self.setting.switches.until(STOPPED_CONSUMER, on=False)
        await self.inbox.open()
        self.setting.truth.tell_switched(STOPPED_CONSUMER, "off")

    def _is_stuck_at(self, record: Record) -> bool:
        try:
            read(record, self.setting.business.flow_header)
        except UnreadableError as error:
            log.warning("%s cannot read %s", self.name, error)
            return self._suffers(POISON_MESSAGE)
        return False

    async def _handle(self, record: Record, slow: bool) -> None:
        business, switches = self.setting.business, self.setting.switches
        number = business.number_of((record.key or b"").decode(errors="replace"))
        try:
            event = read(record, business.flow_header)
        except UnreadableError:
            # A service that was mended leaves out what it cannot read.
            self.setting.truth.tell_switched(POISON_MESSAGE, "off")
            if number is not None:
                self.setting.ledger.end(number, "lost")
            return
        step = self._steps.get(event.type) if event else None
        # An earlier run may have left work of the same numbers under way: it is not ours.
        if (
            event is None
            or step is None
            or number is None
            or event.event_id != unique_id(switches.seed, number, event.type)
            or not self._is_new(f"{event.event_id}/{attempt_of(record)}")
        ):
            return
        work = business.work(switches, number)
        self.setting.deadlines.own(event.type, work)
        pace = chance(switches.seed, number, f"{self.name} takes")
        timing = self.setting.timing
        await asyncio.sleep(pace.uniform(timing.quickest, timing.slowest))
        if slow:
            await asyncio.sleep(timing.sluggish)
        await asyncio.sleep(due_of(record) / 1000 - time.time() if attempt_of(record) > 1 else 0)
        await step(self, Cause(event, record, work))

    def _is_new(self, token: str) -> bool:
        if token in self._handled:
            return False
        self._handled[token] = None
        if len(self._handled) > REMEMBERED:
            self._handled.popitem(last=False)
        return True
