"""A producer that opens a transaction and hangs: what others publish behind it stays hidden."""

from __future__ import annotations

import asyncio
import itertools
import logging
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from demo.faults import HUNG_TRANSACTION
from demo.services.topics import PARTITIONS
from demo.switches import Switches
from demo.truth import Position, Truth

LONGEST = 900.0  # seconds that a broker lets a transaction stay open, as brokers come
RENEW = 600.0

log = logging.getLogger(__name__)


class HangingProducer:
    """While its fault is on, a transaction is open on every partition of `topic`."""

    def __init__(
        self, bootstrap: str, topic: str, name: str, switches: Switches, truth: Truth
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._name = name
        self._switches = switches
        self._truth = truth
        self._numbers = itertools.count(1)

    async def run(self) -> None:
        """Hang whenever the fault is on; for ever."""
        while True:
            await self._switches.until(HUNG_TRANSACTION, on=True)
            try:
                await self._hang()
            except KafkaError as error:
                log.warning("%s cannot hang: %s", self._name, error)
                await asyncio.sleep(1)

    async def _hang(self) -> None:
        producer, position = await self._begun()
        self._truth.tell_switched(HUNG_TRANSACTION, "on", position)
        try:
            while self._switches.is_on(HUNG_TRANSACTION):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._switches.until(HUNG_TRANSACTION, on=False), RENEW)
                    break
                # The broker would end it soon: the next is open before this one is let go.
                before = producer
                producer, _ = await self._begun()
                await _abort(before)
        finally:
            await _abort(producer)
        self._truth.tell_switched(HUNG_TRANSACTION, "off")

    async def _begun(self) -> tuple[AIOKafkaProducer, Position]:
        """With a record in each partition; where the first lies."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._name,
            transactional_id=f"{self._name}-{next(self._numbers)}",
            transaction_timeout_ms=int(LONGEST * 1000),
        )
        try:
            await producer.start()
            await producer.begin_transaction()
            sent = [
                await producer.send_and_wait(self._topic, b'{"count":"never ends"}', partition=one)
                for one in range(PARTITIONS)
            ]
        except BaseException:
            await producer.stop()
            raise
        return producer, Position(sent[0].topic, sent[0].partition, sent[0].offset)


async def _abort(producer: AIOKafkaProducer) -> None:
    try:
        await producer.abort_transaction()
    finally:
        await producer.stop()
