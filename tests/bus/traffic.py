"""Producers of every codec, some transactional, that go on whatever the bus and its broker do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

CODECS = (None, "gzip", "snappy", "lz4", "zstd")
UNPAID = 0.05
"""So many orders are never paid: the findings of a run."""
ABORTED = 0.3
LONG = 0.1
"""So many transactions stay open for a while, with what others commit hidden behind them."""


class Traffic:
    """Orders in one topic of many partitions, and noise in another; seeded, but for its timing."""

    def __init__(self, bootstrap: str, orders: str, partitions: int, noise: str, seed: int) -> None:
        self._bootstrap = bootstrap
        self._orders, self._partitions, self._noise = orders, partitions, noise
        self._seed = seed
        self._over = asyncio.Event()
        self.troubles = 0
        """How often a producer had to begin anew, because the broker was away."""
        self.aborted = 0
        self.committed = 0

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[Traffic]:
        """On leaving, every transaction has been ended."""
        async with asyncio.TaskGroup() as tasks:
            for number, codec in enumerate((*CODECS, *CODECS)):
                tasks.create_task(self._produce(number, codec, number < len(CODECS)))
            try:
                yield self
            finally:
                self._over.set()

    async def _produce(self, number: int, codec: str | None, transactional: bool) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        name = f"{self._orders}-{number}" if transactional else None
        ended = True
        # A producer that failed has left a transaction open: the next of its name ends it.
        while not (self._over.is_set() and ended):
            ended = False
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                compression_type=codec,
                enable_idempotence=True,
                transactional_id=name,
                request_timeout_ms=5_000,
                linger_ms=5,
                metadata_max_age_ms=2_000,  # partitions that are added are soon written to
            )
            try:
                await producer.start()
                while not self._over.is_set():
                    if transactional:
                        await self._transaction(producer, chance)
                    else:
                        await self._some(producer, chance)
                    await asyncio.sleep(chance.uniform(0.1, 0.6))
                ended = True
            except KafkaError:
                self.troubles += 1
                await asyncio.sleep(0.2)
            finally:
                with contextlib.suppress(KafkaError, TimeoutError):
                    await asyncio.wait_for(producer.stop(), 5)

    async def _transaction(self, producer: AIOKafkaProducer, chance: random.Random) -> None:
        await producer.begin_transaction()
        await self._some(producer, chance)
        await asyncio.sleep(chance.uniform(1, 2) if chance.random() < LONG else 0)
        if chance.random() < ABORTED:
            await producer.abort_transaction()
            self.aborted += 1
        else:
            await producer.commit_transaction()
            self.committed += 1

    async def _some(self, producer: AIOKafkaProducer, chance: random.Random) -> None:
        sent = []
        for _ in range(chance.randint(2, 8)):
            flow = f"ord-{chance.getrandbits(48):012x}"
            partition = chance.randrange(self._partitions)
            names = ["order.created"] if chance.random() < UNPAID else ["order.created", "paid"]
            for name in names:
                sent.append(
                    await producer.send(
                        self._orders,
                        json.dumps({"order": flow, "n": chance.random()}).encode(),
                        partition=partition,
                        headers=[("type", name.encode()), ("correlation_id", flow.encode())],
                    )
                )
            noise = json.dumps({"noise": chance.random()}).encode()
            sent.append(await producer.send(self._noise, noise, headers=[("type", b"noise")]))
        await asyncio.gather(*sent)
