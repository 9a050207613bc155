"""The shop on a real broker: what it says it did is what lies in the topics."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from demo.broker import Broker
from demo.faults import FaultPlan
from demo.shop import TOPICS, Shop, Timing
from demo.truth import Truth, TruthLine
from tests.bus.reading import Record, committed, headers_of, read_all

ORDERS = 30
RATE = 30.0
TIMING = Timing(payment_within=1.0, late_by=0.5)
GOOD = [
    "order.created",
    "payment.authorized",
    "stock.reserved",
    "order.shipped",
    "customer.notified",
    "order.completed",
]
DECLINED = ["order.created", "payment.declined", "order.cancelled"]


@dataclass
class Trade:
    """What one run of the shop left: its truth, and its records by order and by position."""

    truth: list[TruthLine]
    by_order: dict[str, list[Record]]
    at: dict[tuple[str, int, int], Record]
    prefix: str

    def names(self, order_id: str) -> list[str]:
        return [headers_of(record)["type"] for record in self.by_order[order_id]]

    def cause(self, line: TruthLine) -> Record:
        place = line.position
        return self.at[place.topic, place.partition, place.offset]

    def suffering(self, line: TruthLine) -> list[Record]:
        """All records of the order that the line is about, correlated or not."""
        key = self.cause(line).key
        assert key is not None
        return self.by_order[key.decode()]


async def trade(broker: Broker, prefix: str, plan: FaultPlan, folder: Path) -> Trade:
    path = folder / "truth.jsonl"
    with Truth(path) as truth:
        async with Shop(broker.bootstrap, plan, truth, TIMING, prefix=f"{prefix}.") as shop:
            await shop.take_orders(RATE, ORDERS)
            await shop.settled()
        assert [json.loads(line) for line in path.read_text().splitlines()] == [
            json.loads(json.dumps(line, default=vars)) for line in truth.lines
        ]
    records = await read_all(broker.bootstrap, [f"{prefix}.{topic}" for topic in TOPICS])
    by_order: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_order[(record.key or b"").decode()].append(record)
    at = {(record.topic, record.partition, record.offset): record for record in records}
    return Trade(truth.lines, by_order, at, prefix)


async def trade_with(fault: str, broker: Broker, prefix: str, folder: Path) -> Trade:
    done = await trade(broker, prefix, FaultPlan(11, {fault: 0.2}), folder)
    assert 1 <= len(done.truth) < ORDERS
    assert len({line.flow for line in done.truth}) == len(done.truth)
    assert {line.fault for line in done.truth} == {fault}
    suffering = {id(done.suffering(line)) for line in done.truth}
    for order_id, records in done.by_order.items():
        if id(records) not in suffering:
            assert done.names(order_id) in (GOOD, DECLINED)
    return done


async def test_without_faults_every_order_ends_and_the_truth_is_empty(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade(broker, topic_name, FaultPlan(11), tmp_path)
    assert done.truth == []
    assert len(done.by_order) == ORDERS
    ends = Counter(tuple(done.names(order_id)) for order_id in done.by_order)
    assert set(ends) == {tuple(GOOD), tuple(DECLINED)}
    for records in done.by_order.values():
        assert len({headers_of(record)["correlation_id"] for record in records}) == 1
        assert len({headers_of(record)["event_id"] for record in records}) == len(records)


async def test_orders_that_an_earlier_run_left_under_way_are_not_taken_for_new_ones(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    with Truth(tmp_path / "earlier.jsonl") as truth:
        earlier = Shop(broker.bootstrap, FaultPlan(1), truth, prefix=f"{topic_name}.")
        async with earlier:
            await earlier.take_orders(200.0, 5)
        assert earlier.ledger.open
    with Truth(tmp_path / "later.jsonl") as truth:
        plan = FaultPlan(2, {"lost-outcome": 1.0})
        async with Shop(broker.bootstrap, plan, truth, prefix=f"{topic_name}.") as later:
            await later.take_orders(200.0, 5)
            await later.settled()
        assert {line.flow for line in truth.lines} == set(later.ledger.flows)
        assert len(truth.lines) == 5


async def test_an_event_says_what_it_is_in_its_headers_and_payload(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade(broker, topic_name, FaultPlan(11), tmp_path)
    created = done.by_order["ord-00001"][0]
    headers, payload = headers_of(created), json.loads(created.value or b"")
    assert sorted(headers) == ["correlation_id", "event_id", "producer", "type"]
    assert headers["producer"] == "checkout"
    assert headers["correlation_id"] != payload["order_id"] == "ord-00001"
    assert payload["occurred_at"].endswith("Z")
    assert {"customer", "amount", "currency", "items"} <= set(payload)


async def test_a_lost_outcome_is_committed_and_nothing_comes_out(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("lost-outcome", broker, topic_name, tmp_path)
    offsets = await committed(broker.bootstrap, f"{topic_name}.payment-svc")
    for line in done.truth:
        assert headers_of(done.cause(line))["correlation_id"] == line.flow
        assert [headers_of(record)["type"] for record in done.suffering(line)] == ["order.created"]
        assert offsets[line.position.topic, line.position.partition] > line.position.offset


async def test_a_late_payment_comes_after_its_deadline_and_the_order_goes_on(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("late", broker, topic_name, tmp_path)
    for line in done.truth:
        records = done.suffering(line)
        assert [headers_of(record)["type"] for record in records] == GOOD
        assert records[1] is done.cause(line)
        assert records[1].timestamp - records[0].timestamp > TIMING.payment_within * 1_000


async def test_a_duplicate_lies_at_two_positions_with_one_event_id(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("duplicate", broker, topic_name, tmp_path)
    for line in done.truth:
        records = done.suffering(line)
        shipped = [r for r in records if headers_of(r)["type"] == "order.shipped"]
        first, second = sorted(shipped, key=lambda record: record.offset)
        assert second is done.cause(line)
        assert headers_of(first) == headers_of(second)
        others = Counter(headers_of(record)["type"] for record in records if record is not second)
        assert others == Counter(GOOD), "the copy is not acted on"


async def test_a_dropped_correlation_id_stays_away_for_the_rest_of_the_order(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("dropped-correlation", broker, topic_name, tmp_path)
    for line in done.truth:
        records = done.suffering(line)
        assert [headers_of(record)["type"] for record in records] == GOOD
        assert records[2] is done.cause(line)
        correlated = [headers_of(record).get("correlation_id") for record in records]
        assert correlated == [line.flow, line.flow, None, None, None, None]
        assert all(line.flow.encode() not in (record.value or b"") for record in records)
