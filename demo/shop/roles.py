"""Who works in the shop: what each reads in its group, and does on which event."""

from __future__ import annotations

from demo.faults import CANCEL_SHIP_RACE
from demo.services.role import Cause, Role
from demo.services.service import Service
from demo.services.work import Business
from demo.shop.event import AWAITS, FLOW_HEADER, RETRY_TOPICS, SIDE_TOPICS, TOPIC_OF, headers
from demo.shop.inventory import reserve, retry
from demo.shop.order import Order, number_of, order
from demo.shop.payment import pay
from demo.shop.shipping import note_cancellation, ship


async def notify(notification: Service[Order], cause: Cause[Order]) -> None:
    order = cause.work
    more = {"customer": order.customer, "channel": "email"}
    await notification.publish("customer.notified", order, cause.event.flow, more)


async def complete(checkout: Service[Order], cause: Cause[Order]) -> None:
    if cause.work.fault is CANCEL_SHIP_RACE:  # it is cancelled, and was shipped all the same
        checkout.setting.ledger.end(cause.work.number, "cancelled")
    else:
        await close(checkout, cause, "completed")


async def cancel(checkout: Service[Order], cause: Cause[Order]) -> None:
    await close(checkout, cause, "cancelled")


async def close(checkout: Service[Order], cause: Cause[Order], how: str) -> None:
    order = cause.work
    await checkout.publish(f"order.{how}", order, cause.event.flow, order.money())
    checkout.setting.ledger.end(order.number, how)


ORDERS = Business(
    topic_of=TOPIC_OF,
    side_topics=SIDE_TOPICS,
    flow_header=FLOW_HEADER,
    awaits=AWAITS,
    work=order,
    number_of=number_of,
    headers=headers,
)
ROLES = (
    Role("checkout", "checkout-svc", {"customer.notified": complete, "payment.declined": cancel}),
    Role("payment", "payment-svc", {"order.created": pay}),
    Role("inventory", "inventory-svc", {"payment.authorized": reserve}),
    Role("inventory-retry", "inventory-svc-retry", {"payment.authorized": retry}, RETRY_TOPICS),
    Role(
        "shipping", "shipping-svc", {"stock.reserved": ship, "order.cancelled": note_cancellation}
    ),
    Role("notification", "notification-svc", {"order.shipped": notify}),
)
