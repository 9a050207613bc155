"""Shipped although cancelled: a race where that had not been read, and none where it had."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from demo.broker import Broker
from demo.faults import CANCEL_SHIP_RACE, DOUBLE_PROCESSING, LOST_OUTCOME
from demo.plan import FaultPlan
from demo.shop import Shop
from demo.shop.order import Order, order
from demo.switches import Switches
from demo.truth import Position, Truth
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.test_why import TIMING, Branch, Matrix, asked, daemon, found, settled, until, why

NEVER = CANCEL_SHIP_RACE.expectation or ""
CHARGED = DOUBLE_PROCESSING.expectation or ""
RACED = {CANCEL_SHIP_RACE: (2, 9, 12, 15), LOST_OUTCOME: (4, 7), DOUBLE_PROCESSING: (6,)}
ORDERS = 16
WATCHED = {"admin": "{every: 500ms}", "offsets_topic": "{every: 3s, from: offsets_topic}"}


class Plan(FaultPlan):
    """These orders suffer these faults, and no other does."""

    def fault_of(self, number: int, *rest: object) -> Any:
        return next((fault for fault, some in RACED.items() if number in some), None)


@pytest.mark.long
async def test_why_tells_each_race_from_a_cancellation_that_was_read_and_not_heeded(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    """Of two daemons that look at consumers often, and seldom but exactly."""
    matrices = {name: Matrix() for name in WATCHED}
    with Receiver() as receiver, Truth(tmp_path / "shop.jsonl") as truth:
        switches = Switches(Plan(7))
        shop = Shop(broker.bootstrap, switches, truth, TIMING, prefix=f"{topic_name}.shop.")
        branch = {"shop": Branch(shop, switches, truth)}
        daemons = {
            name: daemon(tmp_path / name, broker, topic_name, branch, receiver.url, consumers=how)
            for name, how in WATCHED.items()
        }
        async with shop, contextlib.AsyncExitStack() as stack:
            for eyes in daemons.values():
                stack.enter_context(eyes)
            for eyes in daemons.values():
                await asked(eyes, "/api/status")
            await shop.take(4.0, ORDERS)
            await shop.settled()
            for number in RACED[LOST_OUTCOME]:
                await ship_what_was_read_to_be_cancelled(
                    daemons["admin"], shop, order(switches, number)
                )
            offences = (CANCEL_SHIP_RACE.name, DOUBLE_PROCESSING.name)
            lines = [line for line in truth.lines if line.fault in offences]
            assert {line.fault for line in lines} == set(offences)
            heedless = {(order(switches, n).flow, NEVER) for n in RACED[LOST_OUTCOME]}
            for name, eyes in daemons.items():
                await settled(eyes, lines)

                async def all_are_found(eyes: DaemonProcess = eyes) -> bool:
                    return heedless <= (await found(eyes)).keys()

                await until(all_are_found, eyes)
                await compare(eyes, switches, matrices[name])
        for name, matrix in matrices.items():
            print(f"\ncommits from {name}:", end="")
            matrix.print()
            assert not matrix.wrong, "\n".join(matrix.wrong)
        blind = daemon(
            tmp_path / "blind", broker, topic_name, branch, receiver.url,
            consumers="{enabled: false}",
        )  # fmt: skip
        with blind:
            await settled(blind, lines)
            for number in RACED[CANCEL_SHIP_RACE]:
                answer = await why(blind, order(switches, number).flow, NEVER)
                assert answer["verdict"] == "unobserved"
                assert "consumers of shop are not watched" in answer["text"]


async def ship_what_was_read_to_be_cancelled(eyes: DaemonProcess, shop: Shop, lost: Order) -> None:
    """By hand: that shipping has read of it is seen before it ships."""
    checkout, shipping = shop.services["checkout"], shop.services["shipping"]
    cancelled = await checkout.publish("order.cancelled", lost, lost.flow, lost.money())

    async def is_read() -> bool:
        return await committed(eyes, cancelled) > cancelled.offset

    await until(is_read, eyes)
    await asyncio.sleep(TIMING.race)
    await shipping.publish("order.shipped", lost, lost.flow, lost.basket())


async def committed(eyes: DaemonProcess, at: Position) -> int:
    """How far shipping has, as far as was seen."""
    page = await asked(eyes, "/api/consumers")
    return next(
        (one["committed"] or 0 for one in page["items"] if one["group"].endswith(".shipping-svc")
         and (one["topic"], one["partition"]) == (at.topic, at.partition)), 0,
    )  # fmt: skip


async def looked_at(eyes: DaemonProcess, flow: str, expectation: str) -> dict[str, Any]:
    """As it is once consumers were looked at after all that happened."""
    answers: list[dict[str, Any]] = []

    async def is_so() -> bool:
        answers.append(await why(eyes, flow, expectation))
        return "last looked at" not in answers[-1]["text"]

    await until(is_so, eyes)
    return answers[-1]


async def compare(eyes: DaemonProcess, switches: Switches, matrix: Matrix) -> None:
    for fault, numbers in RACED.items():
        for number in numbers:
            flow = order(switches, number).flow
            if fault is CANCEL_SHIP_RACE:
                answer = await looked_at(eyes, flow, NEVER)
                matrix.note("out_of_order", answer)
                assert answer["confidence"] in ("likely", "possible")
                kinds = [one["kind"] for one in answer["evidence"]]
                assert kinds == ["stopping", "act", "consumer"]
            elif fault is LOST_OUTCOME:
                answer = await looked_at(eyes, flow, NEVER)
                matrix.note("unobserved", answer)
                assert "it had read it" in answer["text"], answer
            else:
                answer = await looked_at(eyes, flow, CHARGED)
                matrix.note("unobserved", answer)
                assert "nothing shows that" in answer["text"], answer
