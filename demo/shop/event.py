"""The shop's events: what is called what, where it is published, and how it is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord

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
TOPICS: tuple[str, ...] = tuple(dict.fromkeys(TOPIC_OF.values()))

Record = ConsumerRecord[bytes, bytes]
Payload = dict[str, Any]  # JSON, as the services send it to each other


@dataclass(frozen=True)
class Event:
    """One event, as a service reads it; `flow` is its correlation ID, if it carries one."""

    type: str
    event_id: str
    flow: str | None
    payload: Payload

    def headers(self, producer: str) -> list[tuple[str, bytes]]:
        words = {"type": self.type, "event_id": self.event_id, "producer": producer}
        if self.flow is not None:
            words["correlation_id"] = self.flow
        return [(name, word.encode()) for name, word in words.items()]

    def value(self) -> bytes:
        return json.dumps(self.payload).encode()


def read(record: Record) -> Event | None:
    """The event in a record, or None where somebody else's record shares the topic."""
    try:
        headers = {name: (value or b"").decode() for name, value in record.headers}
        payload = json.loads(record.value or b"null")
        flow = headers.get("correlation_id")
        return Event(headers["type"], headers["event_id"], flow, payload)
    except (KeyError, ValueError):  # no header of ours; not UTF-8; not JSON
        return None
