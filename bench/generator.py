"""The one seeded generator of all benches: interleaved flows of orders, on a real Kafka.

The same seed and number of flows give the same records, but for the moment at which they begin.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import heapq
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.producer.message_accumulator import BatchBuilder

EXAMPLES = """
examples:
  python bench/generator.py --bootstrap 127.0.0.1:9092 --topic orders
  python bench/generator.py --bootstrap 127.0.0.1:9092 --topic orders --flows 20000 --seed 7
"""

PARTITIONS = 12
FLOWS = 200_000
EVENTS_A_FLOW = 8
FLOWS_A_SECOND = 500
"""Of event time, so that 200,000 flows begin within 400 s."""
AGO_MS = 180_000
"""The last flow begins so long ago that all of its deadlines have passed when it is read."""
STEP_MS = (200, 7_000)
OUT_OF_ORDER, DELAY_MS = 0.10, 5_000
BEYOND_DOUBT_MS = 1_500
"""More than the skew of a Kafka source: what is forbidden is surely after its trigger."""
PAYLOAD_BYTES = 600
BATCH_BYTES = 128 * 1024

LARGE, DECLINED = 0.10, 0.08
"""Shares of orders that are screened first, and of those paid at the second attempt."""

FAULTS = {
    "lost": 0.002,
    "late": 0.002,
    "amount": 0.001,
    "cancelled": 0.001,
    "twice": 0.002,
}
"""Shares of flows in which something goes wrong."""
BREAKS = {
    "lost": ("payment follows order", "the amount charged is the amount ordered"),
    "late": ("payment follows order",),
    "amount": ("the amount charged is the amount ordered",),
    "cancelled": ("nothing is shipped once cancelled",),
    "twice": ("shipped once",),
}
"""The expectations of bench/rules.yaml that each fault breaks."""

SERVICES = {
    "order.created": "checkout",
    "order.screened": "risk",
    "payment.declined": "payment",
    "payment.authorized": "payment",
    "stock.reserved": "inventory",
    "order.packed": "inventory",
    "order.cancelled": "checkout",
    "order.shipped": "shipping",
    "order.delivered": "shipping",
    "customer.notified": "notification",
    "order.completed": "checkout",
}
NUMBER = {service: number for number, service in enumerate(dict.fromkeys(SERVICES.values()))}

USUAL = (
    "order.created", "payment.authorized", "stock.reserved", "order.packed", "order.shipped",
    "customer.notified", "order.delivered", "order.completed",
)  # fmt: skip


class Made(NamedTuple):
    """One record, ready to be published; `timestamp` in ms."""

    partition: int
    timestamp: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes | None]]


class Summary(msgspec.Struct):
    """What was published. `findings`: how often each expectation is broken, by name."""

    topic: str
    flows: int
    events: int
    bytes: int
    """Of keys, values and headers, before compression."""
    seconds: float
    settled_ms: int
    """When completeness has passed this moment, every expectation is judged."""
    findings: dict[str, int]


@dataclass
class Generator:
    """Iterate `records` once; then `findings` holds what a perfect judge finds in them."""

    flows: int = FLOWS
    seed: int = 1
    first_ms: int = 0
    """When the first flow begins."""

    def __post_init__(self) -> None:
        self.findings: Counter[str] = Counter()
        self.last_ms = 0
        self._random = random.Random(self.seed)
        self._filler = "".join(self._random.choices("abcdefghijklmnopqrstuvwxyz     ", k=8_192))
        self._seconds: dict[int, str] = {}

    def records(self) -> Iterator[Made]:
        """All records in the order in which they reach the bus."""
        waiting: list[tuple[int, int, int, int, str, float]] = []
        for flow in range(self.flows):
            begin = self.first_ms + flow * 1_000 // FLOWS_A_SECOND
            while waiting and waiting[0][0] < begin:
                yield self._record(heapq.heappop(waiting))
            for one in self._flow(flow, begin):
                heapq.heappush(waiting, one)
        while waiting:
            yield self._record(heapq.heappop(waiting))

    def _flow(self, flow: int, begin: int) -> list[tuple[int, int, int, int, str, float]]:
        """Its events: (published, flow, step, occurred, name, amount)."""
        chance = self._random.random
        fault = self._fault(chance())
        self.findings.update(BREAKS.get(fault, ()))
        amount = round(900 + chance() * 900 if chance() < LARGE else 5 + chance() * 890, 2)
        found = []
        occurred = begin
        for step, name in enumerate(self._names(amount, chance() < DECLINED, fault)):
            occurred += self._random.randint(*STEP_MS) if step else 0
            if fault == "late" and name == "payment.authorized":
                occurred = begin + self._random.randint(35_000, 50_000)
            if fault == "cancelled" and name == "order.shipped":
                occurred += BEYOND_DOUBT_MS
            delay = int(chance() * DELAY_MS) if chance() < OUT_OF_ORDER else 0
            wrong = fault == "amount" and name == "payment.authorized"
            charged = round(amount * 1.13, 2) if wrong else amount
            found.append((occurred + delay, flow, step, occurred, name, charged))
            if fault == "twice" and name == "order.shipped":
                found.append((occurred + delay + 1, flow, step, occurred, name, charged))
        self.last_ms = max(self.last_ms, occurred + DELAY_MS)
        return found

    @staticmethod
    def _fault(draw: float) -> str:
        for fault, share in FAULTS.items():
            draw -= share
            if draw < 0:
                return fault
        return ""

    @staticmethod
    def _names(amount: float, declined: bool, fault: str) -> list[str]:
        names = list(USUAL)
        if amount >= 900:
            names.remove("order.packed")
            names.insert(1, "order.screened")
        if fault == "lost":
            return names[: names.index("payment.authorized")]
        if fault == "cancelled":
            names.remove("order.delivered")
            names.insert(names.index("order.shipped"), "order.cancelled")
        elif declined and fault != "late":
            names.remove("order.delivered")
            names.insert(names.index("payment.authorized"), "payment.declined")
        return names

    def _record(self, planned: tuple[int, int, int, int, str, float]) -> Made:
        published, flow, step, occurred, name, amount = planned
        mixed = f"{(flow + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF:016x}"
        service = SERVICES[name]
        # Each service keys by an entity of its own: a flow lies across several partitions.
        partition = (flow + 5 * NUMBER[service]) % PARTITIONS
        text = (
            f'{{"occurred_at":"{self._rfc3339(occurred)}","order_id":"ord-{flow:09d}",'
            f'"amount":{amount},"currency":"EUR","step":{step},"customer":{{"id":"cus-{mixed[:8]}",'
            f'"country":"DE","segment":"retail"}},"items":[{{"sku":"sku-{mixed[8:13]}",'
            f'"quantity":{1 + flow % 4}}},{{"sku":"sku-{mixed[3:8]}","quantity":1}}],"note":"'
        )
        start = (flow * 131 + step * 17) % 7_000
        note = self._filler[start : start + PAYLOAD_BYTES - len(text) - 2]
        event_id = f"{mixed[:8]}-{mixed[8:12]}-4{step:03x}-8{mixed[12:15]}-{flow:012x}"
        headers: list[tuple[str, bytes | None]] = [
            ("type", name.encode()),
            ("correlation_id", f"cor-{mixed}".encode()),
            ("event_id", event_id.encode()),
            ("producer", service.encode()),
            ("content-type", b"application/json"),
            ("traceparent", f"00-{mixed}{mixed[::-1]}-{mixed[step:]:0<16}-01".encode()),
        ]
        key = f"{service}-{flow:09d}".encode()
        return Made(partition, published, key, f'{text}{note}"}}'.encode(), headers)

    def _rfc3339(self, ms: int) -> str:
        second, rest = divmod(ms, 1_000)
        text = self._seconds.get(second)
        if text is None:
            moment = datetime.fromtimestamp(second, UTC)
            text = self._seconds[second] = moment.strftime("%Y-%m-%dT%H:%M:%S")
        return f"{text}.{rest:03d}Z"


async def produce(bootstrap: str, topic: str, flows: int, seed: int) -> Summary:
    """Creates the topic and fills it. The last flow began three minutes ago."""
    began = time.monotonic()
    now = time.time_ns() // 1_000_000
    generator = Generator(flows, seed, now - AGO_MS - flows * 1_000 // FLOWS_A_SECOND)
    await _create(bootstrap, topic)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        compression_type="lz4",
        acks=1,
        max_batch_size=BATCH_BYTES,
        max_request_size=8 * 1024 * 1024,
    )
    await producer.start()
    events = size = 0
    try:
        batches = [producer.create_batch() for _ in range(PARTITIONS)]
        for made in generator.records():
            batch = batches[made.partition]
            if not _append(batch, made):
                await producer.send_batch(batch, topic, partition=made.partition)
                batch = batches[made.partition] = producer.create_batch()
                _append(batch, made)
            events += 1
            size += len(made.key) + len(made.value)
            size += sum(len(name) + len(value or b"") for name, value in made.headers)
        for partition, batch in enumerate(batches):
            if batch.record_count():
                await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
    # The longest wait is a minute, and grace is 5 s: nothing is pending beyond that.
    settled = generator.last_ms + 66_000
    seconds = time.monotonic() - began
    findings = dict(generator.findings)
    return Summary(topic, flows, events, size, round(seconds, 1), settled, findings)


def _append(batch: BatchBuilder, made: Made) -> bool:
    done = batch.append(
        timestamp=made.timestamp, key=made.key, value=made.value, headers=made.headers
    )
    return done is not None


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    finally:
        await admin.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python bench/generator.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bootstrap", required=True, help="a Kafka, HOST:PORT")
    parser.add_argument("--topic", required=True, help="a topic that does not exist yet")
    parser.add_argument("--flows", type=int, default=FLOWS, help=f"default: {FLOWS}")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    options = parser.parse_args()
    gc.disable()  # a short process, whose garbage holds no cycles
    summary = asyncio.run(produce(options.bootstrap, options.topic, options.flows, options.seed))
    print(msgspec.json.encode(summary).decode())


if __name__ == "__main__":
    main()
