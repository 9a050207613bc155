"""The shop's events: where each is published, and by when it must be answered."""

from __future__ import annotations

from collections.abc import Mapping

from demo.faults import NOTICE, PAYMENT, SHIPPING, STOCK
from demo.services.event import Event, Headers
from demo.services.work import Awaited

TOPIC_OF: Mapping[str, str] = {
    "order.created": "orders",
    "payment.authorized": "payments",
    "payment.declined": "payments",
    "stock.reserved": "inventory",
    "order.shipped": "shipments",
    "customer.notified": "notifications",
    "order.completed": "orders",
    "order.cancelled": "orders",
}
RETRY_TOPICS = ("payments-retry-0", "payments-retry-1")
DEAD_LETTERS = "inventory.DLT"
SIDE_TOPICS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(RETRY_TOPICS, ("payment.authorized",)),
    DEAD_LETTERS: ("stock.reserved",),
}
TOPICS: tuple[str, ...] = (*dict.fromkeys(TOPIC_OF.values()), *SIDE_TOPICS)
FLOW_HEADER = "correlation_id"

AWAITS: Mapping[str, Awaited] = {
    "order.created": Awaited(PAYMENT, "payment", ("payment.authorized", "payment.declined")),
    "payment.authorized": Awaited(STOCK, "inventory", ("stock.reserved",)),
    "stock.reserved": Awaited(SHIPPING, "shipping", ("order.shipped",), ("order.cancelled",)),
    "order.shipped": Awaited(NOTICE, "notification", ("customer.notified",)),
}


def headers(event: Event, producer: str) -> Headers:
    words = {"type": event.type, "event_id": event.event_id, "producer": producer}
    if event.flow is not None:
        words[FLOW_HEADER] = event.flow
    return [(name, word.encode()) for name, word in words.items()]
