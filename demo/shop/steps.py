"""The shop's five services: what each does on which event, and where its fault sits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from demo.faults import DROPPED_CORRELATION, DUPLICATE, LATE, LOST_OUTCOME
from demo.shop.order import Order
from demo.shop.service import Cause, Service, Step


async def open_order(checkout: Service, order: Order) -> None:
    """What a customer does: not the answer to an event."""
    checkout.setting.ledger.begin(order.number, order.flow)
    await checkout.publish("order.created", order, order.flow, order.money() | order.basket())


async def pay(payment: Service, cause: Cause) -> None:
    order = cause.order
    if order.fault is LOST_OUTCOME:
        payment.after_commit(lambda: lose(payment, cause))
    elif order.fault is LATE:
        payment.later(pay_late(payment, cause))
    elif order.declined:
        more = order.money() | {"reason": "insufficient funds"}
        await payment.publish("payment.declined", order, cause.event.flow, more)
    else:
        await payment.publish("payment.authorized", order, cause.event.flow, order.money())


def lose(payment: Service, cause: Cause) -> None:
    payment.tell(LOST_OUTCOME, cause.order, cause.position)
    payment.setting.ledger.end(cause.order.number, "lost")


async def pay_late(payment: Service, cause: Cause) -> None:
    timing = payment.setting.timing
    await asyncio.sleep(timing.payment_within + timing.late_by)
    order = cause.order
    sent = await payment.publish("payment.authorized", order, cause.event.flow, order.money())
    payment.tell(LATE, order, sent)


async def reserve(inventory: Service, cause: Cause) -> None:
    order, dropped = cause.order, cause.order.fault is DROPPED_CORRELATION
    flow = None if dropped else cause.event.flow
    sent = await inventory.publish("stock.reserved", order, flow, order.basket())
    if dropped:
        inventory.tell(DROPPED_CORRELATION, order, sent)


async def ship(shipping: Service, cause: Cause) -> None:
    order = cause.order
    more = order.basket() | {"carrier": "parcel-post"}
    await shipping.publish("order.shipped", order, cause.event.flow, more)
    if order.fault is DUPLICATE:
        again = await shipping.publish("order.shipped", order, cause.event.flow, more)
        shipping.tell(DUPLICATE, order, again)


async def notify(notification: Service, cause: Cause) -> None:
    order = cause.order
    more = {"customer": order.customer, "channel": "email"}
    await notification.publish("customer.notified", order, cause.event.flow, more)


async def complete(checkout: Service, cause: Cause) -> None:
    await close(checkout, cause, "completed")


async def cancel(checkout: Service, cause: Cause) -> None:
    await close(checkout, cause, "cancelled")


async def close(checkout: Service, cause: Cause, how: str) -> None:
    order = cause.order
    await checkout.publish(f"order.{how}", order, cause.event.flow, order.money())
    checkout.setting.ledger.end(order.number, how)


SERVICES: Mapping[str, Mapping[str, Step]] = {
    "checkout": {"customer.notified": complete, "payment.declined": cancel},
    "payment": {"order.created": pay},
    "inventory": {"payment.authorized": reserve},
    "shipping": {"stock.reserved": ship},
    "notification": {"order.shipped": notify},
}
