"""Shipping: ships what is reserved, unless it has read that the order is cancelled."""

from __future__ import annotations

import asyncio

from demo.faults import (
    CANCEL_SHIP_RACE,
    DEAD_LETTER,
    DEAD_LETTER_BARE,
    DUPLICATE,
    POISON_MESSAGE,
    SCHEMA_CHANGE,
)
from demo.services.event import Payload
from demo.services.letters import dead_letter_headers
from demo.services.role import Cause
from demo.services.service import Service
from demo.shop.event import DEAD_LETTERS, TOPIC_OF
from demo.shop.order import Order

FAILURE = "org.example.shipping.NoSuchCarrierException"
MESSAGE = "no carrier goes there"


async def ship(shipping: Service[Order], cause: Cause[Order]) -> None:
    order = cause.work
    if order.number in shipping.notes:
        return
    if order.fault in (DEAD_LETTER, DEAD_LETTER_BARE):
        await give_up(shipping, cause)
    elif order.fault is CANCEL_SHIP_RACE:
        shipping.later(race(shipping, cause))
    else:
        await post(shipping, cause)


async def note_cancellation(shipping: Service[Order], cause: Cause[Order]) -> None:
    shipping.notes.add(cause.work.number)


async def post(shipping: Service[Order], cause: Cause[Order]) -> None:
    order, flow, switches = cause.work, cause.event.flow, shipping.setting.switches
    changed = switches.is_written(SCHEMA_CHANGE, order.number)
    parcel = _parcel(order, changed)
    if order.fault is None and flow is not None and switches.strikes_once(POISON_MESSAGE):
        sent = await shipping.publish("order.shipped", order, flow, parcel, spoil=_cut)
        shipping.setting.truth.tell_switched(POISON_MESSAGE, "on", sent)
        return
    sent = await shipping.publish("order.shipped", order, flow, parcel)
    if changed:
        shipping.tell(SCHEMA_CHANGE, order, sent)
    if order.fault is DUPLICATE:
        copy = await shipping.publish("order.shipped", order, flow, parcel, again=True)
        shipping.tell(DUPLICATE, order, copy)


async def race(shipping: Service[Order], cause: Cause[Order]) -> None:
    """The customer cancels while the parcel is packed, and nobody reads it before it has left."""
    order, orders = cause.work, shipping.setting.prefix + TOPIC_OF["order.cancelled"]
    shipping.inbox.look_away(orders)
    try:
        checkout = shipping.colleagues["checkout"]
        more = order.money() | {"reason": "the customer changed their mind"}
        await checkout.publish("order.cancelled", order, cause.event.flow, more)
        await asyncio.sleep(shipping.setting.timing.race)
        parcel = _parcel(order, changed=False)
        sent = await shipping.publish("order.shipped", order, cause.event.flow, parcel)
        shipping.tell(CANCEL_SHIP_RACE, order, sent)
    finally:
        shipping.inbox.look_back(orders)


async def give_up(shipping: Service[Order], cause: Cause[Order]) -> None:
    """Put it where somebody will find it some day."""
    order, record = cause.work, cause.record
    fault = order.fault
    assert fault is not None
    headers = dead_letter_headers(record, FAILURE, MESSAGE) if fault is DEAD_LETTER else []
    sent = await shipping.send(DEAD_LETTERS, record.key, record.value, headers)
    shipping.after_commit(lambda: shipping.lose(fault, order, sent))


def _parcel(order: Order, changed: bool) -> Payload:
    if not changed:
        return order.basket() | {"carrier": "parcel-post"}
    items = [{"sku": sku, "qty": str(quantity)} for sku, quantity in order.items]
    return {"items": items, "carrier_name": "parcel-post"}


def _cut(payload: bytes) -> bytes:
    """What is left when a connection breaks off."""
    return payload[: len(payload) // 2]
