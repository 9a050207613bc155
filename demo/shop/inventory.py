"""Inventory: reserves what is paid; when it fails it tries again through its retry topics."""

from __future__ import annotations

import time

from demo.faults import DROPPED_CORRELATION, RETRY_STORM
from demo.services.letters import attempt_of, retry_headers
from demo.services.role import Cause
from demo.services.service import Service
from demo.shop.event import RETRY_TOPICS
from demo.shop.order import Order

RETRIES = 6
FAILURE = "java.net.SocketTimeoutException"
MESSAGE = "warehouse did not answer within 200 ms"


async def reserve(inventory: Service[Order], cause: Cause[Order]) -> None:
    """The first try."""
    order, dropped = cause.work, cause.work.fault is DROPPED_CORRELATION
    if order.fault is RETRY_STORM:
        await try_again(inventory, cause)
        return
    flow = None if dropped else cause.event.flow
    sent = await inventory.publish("stock.reserved", order, flow, order.basket())
    if dropped:
        inventory.tell(DROPPED_CORRELATION, order, sent)


async def retry(inventory: Service[Order], cause: Cause[Order]) -> None:
    """A record of a retry topic, once it is due: it fails again, and the last try succeeds."""
    order = cause.work
    if attempt_of(cause.record) <= RETRIES:
        await try_again(inventory, cause)
        return
    sent = await inventory.publish("stock.reserved", order, cause.event.flow, order.basket())
    inventory.tell(RETRY_STORM, order, sent)


async def try_again(inventory: Service[Order], cause: Cause[Order]) -> None:
    timing, record = inventory.setting.timing, cause.record
    attempt = attempt_of(record) + 1
    # The first retry has a topic of its own; those after it wait as long as each other in one.
    topic = RETRY_TOPICS[min(attempt - 2, len(RETRY_TOPICS) - 1)]
    due = time.time() + (timing.within + timing.late_by) / RETRIES
    headers = retry_headers(record, attempt, int(due * 1000), FAILURE, MESSAGE)
    await inventory.send(topic, record.key, record.value, headers)
