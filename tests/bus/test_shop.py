"""The shop on a real broker: what it says it did is what lies in the topics."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.broker import Broker
from demo.crew import TOPICS as CREW_TOPICS
from demo.crew import Crew
from demo.plan import FaultPlan
from demo.services.house import House
from demo.shop import Shop, Timing
from demo.shop.inventory import RETRIES
from demo.truth import Position, Truth, TruthLine
from tests.bus.reading import Record, committed, headers_of, read_all

ORDERS = 30
RATE = 30.0
TIMING = Timing(within=1.0, late_by=0.5, race=0.5)
GOOD = [
    "order.created",
    "payment.authorized",
    "stock.reserved",
    "order.shipped",
    "customer.notified",
    "order.completed",
]
CONVERSATION = ["AnalysisRequested", "ResearchComplete", "SummaryGenerated"]
DECLINED = ["order.created", "payment.declined", "order.cancelled"]


@dataclass
class Trade:
    """What one run of the shop left: its truth, and its records by order and by position."""

    truth: list[TruthLine]
    by_order: dict[str, list[Record]]
    at: dict[tuple[str, int, int], Record]
    prefix: str

    def names(self, order_id: str) -> list[str]:
        return names_of(self.by_order[order_id])

    def cause(self, line: TruthLine) -> Record:
        place = line.position
        assert place is not None
        return self.at[place.topic, place.partition, place.offset]

    def suffering(self, line: TruthLine) -> list[Record]:
        """All records of the order that the line is about, correlated or not."""
        key = self.cause(line).key
        assert key is not None
        return self.by_order[key.decode()]


def assert_passed(offsets: dict[tuple[str, int], int], position: Position | None) -> None:
    assert position is not None
    assert offsets[position.topic, position.partition] > position.offset


def names_of(records: list[Record]) -> list[str]:
    return [headers_of(record)["type"] for record in records if record.headers]


def on_main_topics(records: list[Record]) -> list[Record]:
    return [r for r in records if not r.topic.endswith(("-retry-0", "-retry-1", ".DLT"))]


async def trade(
    broker: Broker,
    prefix: str,
    plan: FaultPlan,
    folder: Path,
    kind: type[Shop] | type[Crew] = Shop,
) -> Trade:
    path = folder / "truth.jsonl"
    with Truth(path) as truth:
        house: House[Any] = kind(broker.bootstrap, plan, truth, TIMING, prefix=f"{prefix}.")
        async with house:
            await house.take(RATE, ORDERS)
            await house.settled()
        assert path.read_text().splitlines() == [line.json() for line in truth.lines]
    records = await read_all(broker.bootstrap, house.topics)
    by_order: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_order[(record.key or b"").decode()].append(record)
    at = {(record.topic, record.partition, record.offset): record for record in records}
    return Trade(truth.lines, by_order, at, prefix)


async def trade_with(
    fault: str, broker: Broker, prefix: str, folder: Path, kind: type[Shop] | type[Crew] = Shop
) -> Trade:
    done = await trade(broker, prefix, FaultPlan(11, {fault: 0.2}), folder, kind)
    assert 1 <= len(done.truth) < ORDERS
    assert len({line.flow for line in done.truth}) == len(done.truth)
    assert {line.fault for line in done.truth} == {fault}
    suffering = {id(done.suffering(line)) for line in done.truth}
    for order_id, records in done.by_order.items():
        if id(records) not in suffering:
            assert done.names(order_id) in (GOOD, DECLINED, CONVERSATION)
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
            await earlier.take(200.0, 5)
        assert earlier.ledger.open
    with Truth(tmp_path / "later.jsonl") as truth:
        plan = FaultPlan(2, {"lost-outcome": 1.0})
        async with Shop(broker.bootstrap, plan, truth, prefix=f"{topic_name}.") as later:
            await later.take(200.0, 5)
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
        assert_passed(offsets, line.position)


async def test_a_late_payment_comes_after_its_deadline_and_the_order_goes_on(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("late", broker, topic_name, tmp_path)
    for line in done.truth:
        records = done.suffering(line)
        assert [headers_of(record)["type"] for record in records] == GOOD
        assert records[1] is done.cause(line)
        assert records[1].timestamp - records[0].timestamp > TIMING.within * 1_000


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


async def test_an_order_that_is_handled_twice_has_two_payments_with_two_event_ids(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("double-processing", broker, topic_name, tmp_path)
    for line in done.truth:
        paid = [r for r in done.suffering(line) if headers_of(r)["type"] == "payment.authorized"]
        first, second = sorted(paid, key=lambda record: record.offset)
        assert second is done.cause(line)
        assert first.partition == second.partition
        assert headers_of(first)["event_id"] != headers_of(second)["event_id"]
        others = Counter(names_of([r for r in done.suffering(line) if r is not second]))
        assert others == Counter(GOOD), "the second payment is not acted on"


async def test_a_retry_storm_tries_in_topics_of_its_own_until_it_is_late(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("retry-storm", broker, topic_name, tmp_path)
    for line in done.truth:
        records = done.suffering(line)
        paid, reserved = on_main_topics(records)[1:3]
        assert reserved is done.cause(line)
        assert reserved.timestamp - paid.timestamp > TIMING.within * 1_000
        tries = [r for r in records if "-retry-" in r.topic]
        assert [r.topic[-7:] for r in tries] == ["retry-0", *["retry-1"] * (RETRIES - 1)]
        attempts = [dict(r.headers)["retry_topic-attempts"] for r in tries]
        assert attempts == [number.to_bytes(4) for number in range(2, RETRIES + 2)]
        for one in tries:
            headers = dict(one.headers)
            assert headers["event_id"] == dict(paid.headers)["event_id"]
            assert headers["kafka_original-topic"].decode() == paid.topic
            assert int.from_bytes(headers["kafka_original-offset"]) == paid.offset
        assert names_of(on_main_topics(records)) == GOOD
    offsets = await committed(broker.bootstrap, f"{topic_name}.inventory-svc")
    assert all(offsets[r.topic, r.partition] > r.offset for r in done.at.values()
               if r.topic.endswith(".payments"))  # fmt: skip


@pytest.mark.parametrize("fault", ["dead-letter", "dead-letter-bare"])
async def test_a_dead_letter_says_why_or_nothing_at_all(
    fault: str, broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with(fault, broker, topic_name, tmp_path)
    offsets = await committed(broker.bootstrap, f"{topic_name}.shipping-svc")
    for line in done.truth:
        letter = done.cause(line)
        assert letter.topic == f"{topic_name}.inventory.DLT"
        *_, reserved = (r for r in done.suffering(line) if r is not letter)
        assert headers_of(reserved)["type"] == "stock.reserved", "and nothing came after it"
        assert letter.value == reserved.value
        assert offsets[reserved.topic, reserved.partition] > reserved.offset
        if fault == "dead-letter-bare":
            assert letter.headers == ()
        else:
            headers = dict(letter.headers)
            assert headers["correlation_id"].decode() == line.flow
            assert headers["kafka_dlt-original-topic"].decode() == reserved.topic
            assert int.from_bytes(headers["kafka_dlt-original-partition"]) == reserved.partition
            assert int.from_bytes(headers["kafka_dlt-original-offset"]) == reserved.offset
            assert len(headers["kafka_dlt-original-timestamp"]) == 8
            assert headers["kafka_dlt-exception-fqcn"].endswith(b"Exception")
            assert headers["kafka_dlt-exception-message"]


async def test_in_a_race_an_order_is_shipped_although_cancelled(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("cancel-ship-race", broker, topic_name, tmp_path)
    for line in done.truth:
        records = done.suffering(line)
        assert names_of(records) == [*GOOD[:3], "order.cancelled", *GOOD[3:5]]
        cancelled, shipped = records[3:5]
        assert shipped is done.cause(line)
        assert shipped.timestamp - cancelled.timestamp >= TIMING.race * 1_000 - 1


async def test_in_a_race_shipping_has_not_read_the_cancellation_when_it_ships(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    plan = FaultPlan(11, early={"cancel-ship-race": 1})
    group, racing, cancelled = f"{topic_name}.shipping-svc", 0, None
    with Truth(tmp_path / "truth.jsonl") as truth:
        async with Shop(
            broker.bootstrap, plan, truth, Timing(race=3.0), prefix=f"{topic_name}."
        ) as shop:
            await shop.take(RATE, 1)
            while not truth.lines:
                offsets = await committed(broker.bootstrap, group)
                *_, last = await read_all(broker.bootstrap, shop.topics)
                if headers_of(last)["type"] == "order.cancelled":
                    cancelled = last
                    racing += 1
                    assert offsets.get((last.topic, last.partition), 0) <= last.offset
            assert racing
            assert cancelled is not None
            place = (cancelled.topic, cancelled.partition)
            # Once it has shipped, it reads what it should have read before.
            while (await committed(broker.bootstrap, group)).get(place, 0) <= cancelled.offset:
                await asyncio.sleep(0.05)
            await shop.settled()


async def test_a_tax_in_the_amount_is_in_the_payments_alone(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("tax-in-amount", broker, topic_name, tmp_path)
    for line in done.truth:
        amounts = {
            headers_of(record)["type"]: payload.get("amount")
            for record in done.suffering(line)
            if (payload := json.loads(record.value or b""))
        }
        ordered = amounts["order.created"]
        assert amounts["payment.authorized"] == pytest.approx(ordered * 1.13, abs=0.01)
        assert amounts["order.completed"] == ordered
        assert line.expect["detector"] == "semantic_drift"
        assert line.expect["finding"] == "disagree"


async def test_a_changed_schema_renames_a_field_and_changes_the_type_of_another(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("schema-change", broker, topic_name, tmp_path)
    changed = [done.cause(line) for line in done.truth]
    for record in done.at.values():
        if record.topic.endswith(".shipments"):
            payload = json.loads(record.value or b"")
            new = any(record is one for one in changed)
            assert ("carrier_name" in payload, "carrier" in payload) == (new, not new)
            assert {type(item["qty"]) for item in payload["items"]} == {str if new else int}


async def test_conversations_of_the_agents_carry_their_id_in_a_header(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade(broker, topic_name, FaultPlan(11), tmp_path, Crew)
    assert done.truth == []
    assert len(done.by_order) == ORDERS
    for key, records in done.by_order.items():
        assert done.names(key) == CONVERSATION
        assert [r.topic for r in records] == [f"{topic_name}.{topic}" for topic in CREW_TOPICS]
        headers = [headers_of(record) for record in records]
        assert len({one["gen_ai.conversation.id"] for one in headers}) == 1
        assert {one["gen_ai.operation.name"] for one in headers} == {"invoke_agent"}
        assert [one["gen_ai.agent.name"] for one in headers] == [
            "coordinator", "researcher", "writer"
        ]  # fmt: skip


async def test_an_agent_may_silently_never_answer(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    done = await trade_with("agent-silent", broker, topic_name, tmp_path, Crew)
    offsets = await committed(broker.bootstrap, f"{topic_name}.researcher-agent")
    for line in done.truth:
        assert names_of(done.suffering(line)) == ["AnalysisRequested"]
        assert_passed(offsets, line.position)


async def test_an_agent_may_answer_late(broker: Broker, topic_name: str, tmp_path: Path) -> None:
    done = await trade_with("agent-late", broker, topic_name, tmp_path, Crew)
    for line in done.truth:
        _, researched, summed_up = done.suffering(line)
        assert summed_up is done.cause(line)
        assert summed_up.timestamp - researched.timestamp > TIMING.within * 1_000
