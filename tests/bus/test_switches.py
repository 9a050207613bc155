"""Faults of whole services on a real broker: what they hold up, whom they make late, and after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from demo.broker import Broker
from demo.faults import FAULTS
from demo.plan import FaultPlan
from demo.shop import Shop, Timing
from demo.shop.event import AWAITS
from demo.truth import Position, Truth, TruthLine, in_the_end
from tests.bus.reading import Record, committed, headers_of, members, read_all

RATE = 20.0
TIMING = Timing(within=1.0, sluggish=0.3)
PATIENT = Timing(within=4.0, sluggish=0.3)
"""For who must never be late while others are."""


@dataclass
class Trading:
    """A shop in which orders come in until `close`."""

    shop: Shop
    truth: Truth
    prefix: str
    orders: asyncio.Task[None]

    async def suffer(self, fault: str, missing: int = 3) -> None:
        """Switch it on, and wait until so many have missed their deadline."""
        self.shop.switches.switch(fault, on=True)
        await self.until(lambda: len([one for one in self.truth.lines if one.flow]) >= missing)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            if self.orders.done():
                self.orders.result()
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        self.orders.cancel()
        await self.shop.settled()

    def switched(self) -> list[TruthLine]:
        return [line for line in self.truth.lines if line.switched]

    async def offsets(self, service: str) -> dict[tuple[str, int], int]:
        bootstrap = self.shop.services["checkout"].setting.bootstrap
        return await committed(bootstrap, f"{self.prefix}.{service}-svc")


@asynccontextmanager
async def trading(
    broker: Broker, prefix: str, folder: Path, timing: Timing = TIMING
) -> AsyncIterator[Trading]:
    with Truth(folder / "truth.jsonl") as truth:
        shop = Shop(broker.bootstrap, FaultPlan(5), truth, timing, prefix=f"{prefix}.")
        async with shop:
            orders = asyncio.create_task(shop.take(RATE))
            await asyncio.sleep(0)
            yield Trading(shop, truth, prefix, orders)


def happened(record: Record) -> datetime:
    payload = json.loads(record.value or b"")
    return datetime.fromisoformat(payload["occurred_at"])


async def too_late(broker: Broker, shop: Shop, cause: str) -> set[str]:
    """The flows in which the answer to this event came after its deadline, by the topics alone."""
    begun: dict[str, datetime] = {}
    late: set[str] = set()
    for record in await read_all(broker.bootstrap, shop.topics):
        headers = headers_of(record)
        if headers["type"] == cause:
            begun[headers["correlation_id"]] = happened(record)
        elif headers["type"] in AWAITS[cause].answers:
            flow = headers["correlation_id"]
            if happened(record) - begun[flow] > timedelta(seconds=TIMING.within):
                late.add(flow)
    return late


def check_late(lines: list[TruthLine], fault: str, late: set[str]) -> None:
    told = in_the_end(lines)
    assert {line.fault for line in told} == {fault}
    assert {line.expect["expectation"] for line in told} == {FAULTS[fault].expectation}
    assert {line.flow for line in told if line.expect["finding"] == "late"} == late


async def test_a_stopped_consumer_leaves_its_group_and_resumes_where_it_was(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    async with trading(broker, topic_name, tmp_path) as shop:
        group = f"{topic_name}.payment-svc"
        await shop.until(lambda: shop.shop.ledger.ended.total() > 5)
        assert await members(broker.bootstrap, group) == 1
        await shop.suffer("stopped-consumer")
        assert await members(broker.bootstrap, group) == 0
        before = await shop.offsets("payment")
        assert before, "it had worked before it left"
        assert await shop.offsets("payment") == before
        shop.shop.switches.switch("stopped-consumer", on=False)
        await shop.until(lambda: shop.switched()[-1].switched == "off")
        assert await members(broker.bootstrap, group) == 1
        await shop.close()
        late = await too_late(broker, shop.shop, "order.created")
        assert len(late) >= 3
        check_late(shop.truth.lines, "stopped-consumer", late)
    assert [line.switched for line in shop.switched()] == ["on", "off"]
    assert shop.switched()[0].expect["group"] == "payment-svc"


async def test_a_slow_consumer_stays_and_falls_behind(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    async with trading(broker, topic_name, tmp_path) as shop:
        await shop.suffer("slow-consumer")
        assert await members(broker.bootstrap, f"{topic_name}.shipping-svc") == 1
        assert shop.shop.ledger.open > 5
        shop.shop.switches.switch("slow-consumer", on=False)
        await shop.close()
        late = await too_late(broker, shop.shop, "stock.reserved")
        assert len(late) >= 3
        check_late(shop.truth.lines, "slow-consumer", late)
    assert [line.switched for line in shop.switched()] == ["on", "off"]


async def test_a_poison_message_holds_up_its_partition_and_no_other(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    async with trading(broker, topic_name, tmp_path, PATIENT) as shop:
        await shop.suffer("poison-message")
        (on,) = shop.switched()
        place = on.position
        assert isinstance(place, Position)
        records = await read_all(broker.bootstrap, shop.shop.topics)
        (poison,) = (
            record
            for record in records
            if (record.topic, record.partition, record.offset)
            == (place.topic, place.partition, place.offset)
        )
        flow, payload = headers_of(poison)["correlation_id"], poison.value or b""
        assert not payload.endswith(b"}")
        stuck, others = place.partition, {0, 1, 2} - {place.partition}
        seen = await shop.offsets("notification")
        assert seen.get((place.topic, stuck), place.offset) == place.offset
        shipped = [r for r in records if r.topic == place.topic and r.partition in others]
        assert any(seen[r.topic, r.partition] > r.offset > 0 for r in shipped)
        assert await members(broker.bootstrap, f"{topic_name}.notification-svc") == 1
        shop.shop.switches.switch("poison-message", on=False)
        await shop.close()
        assert (await shop.offsets("notification"))[place.topic, stuck] > place.offset
        # The message itself stays unread for good; what waited behind it comes late.
        ended = {line.flow: line.expect["finding"] for line in in_the_end(shop.truth.lines)}
        assert ended.pop(flow) == "missing"
        partition_of = {
            headers_of(r)["correlation_id"]: r.partition
            for r in await read_all(broker.bootstrap, [place.topic])
        }
        assert {partition_of[one] for one in ended if one} == {stuck}
        records = await read_all(broker.bootstrap, shop.shop.topics)
        notified = {
            headers_of(r)["correlation_id"] for r in records
            if headers_of(r)["type"] == "customer.notified"
        }  # fmt: skip
        assert flow not in notified
        assert notified >= ended.keys()
        assert set(ended.values()) == {"late"}
        assert shop.shop.ledger.ended["lost"] == 1
    assert [line.switched for line in shop.switched()] == ["on", "off"]


async def test_a_hung_transaction_hides_what_is_behind_it_until_it_is_aborted(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    async with trading(broker, topic_name, tmp_path) as shop:
        await shop.until(lambda: shop.shop.ledger.ended.total() > 0)
        await shop.suffer("hung-transaction")
        (on,) = shop.switched()
        place = on.position
        assert isinstance(place, Position)
        assert place.topic == f"{topic_name}.inventory"
        visible = await read_all(broker.bootstrap, [place.topic])
        assert not [
            r for r in visible if r.partition == place.partition and r.offset > place.offset
        ]
        hidden = {line.flow for line in shop.truth.lines if line.flow}
        assert not hidden & {headers_of(r)["correlation_id"] for r in visible}
        shop.shop.switches.switch("hung-transaction", on=False)
        await shop.close()
        visible = await read_all(broker.bootstrap, [place.topic])
        assert hidden <= {headers_of(r)["correlation_id"] for r in visible}
        assert all(b"never ends" not in (r.value or b"") for r in visible)
        late = await too_late(broker, shop.shop, "stock.reserved")
        check_late(shop.truth.lines, "hung-transaction", late)
        await shop.until(lambda: len(shop.switched()) == 2)
    assert [line.switched for line in shop.switched()] == ["on", "off"]
