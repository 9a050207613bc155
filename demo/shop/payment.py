"""Payment: takes the money for an order, or declines; and the ways in which it goes wrong."""

from __future__ import annotations

import asyncio

from demo.chance import unique_id
from demo.faults import DOUBLE_PROCESSING, LATE, LOST_OUTCOME, TAX_IN_AMOUNT
from demo.services.role import Cause
from demo.services.service import Service
from demo.shop.order import Order
from demo.truth import Position


async def pay(payment: Service[Order], cause: Cause[Order]) -> None:
    order = cause.work
    if order.fault is LOST_OUTCOME:
        payment.after_commit(lambda: payment.lose(LOST_OUTCOME, order, cause.position))
    elif order.fault is LATE:
        payment.later(pay_late(payment, cause))
    elif order.declined:
        more = order.money() | {"reason": "insufficient funds"}
        await payment.publish("payment.declined", order, cause.event.flow, more)
    else:
        await authorize(payment, cause)
        if order.fault is DOUBLE_PROCESSING:
            payment.tell(DOUBLE_PROCESSING, order, await authorize(payment, cause, again=True))


async def authorize(payment: Service[Order], cause: Cause[Order], again: bool = False) -> Position:
    """`again`: as a service does that has forgotten: with another event ID."""
    order, switches = cause.work, payment.setting.switches
    taxed = switches.is_written(TAX_IN_AMOUNT, order.number)
    other = unique_id(switches.seed, order.number, "authorized again") if again else None
    sent = await payment.publish(
        "payment.authorized", order, cause.event.flow, order.money(taxed), other, again=again
    )
    if taxed:
        payment.tell(TAX_IN_AMOUNT, order, sent)
    return sent


async def pay_late(payment: Service[Order], cause: Cause[Order]) -> None:
    timing = payment.setting.timing
    await asyncio.sleep(timing.within + timing.late_by)
    payment.tell(LATE, cause.work, await authorize(payment, cause))
