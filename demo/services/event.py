"""An event as the services write and read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord

Record = ConsumerRecord[bytes, bytes]
Payload = dict[str, Any]  # JSON, as the services send it to each other
Headers = list[tuple[str, bytes]]


class UnreadableError(Exception):
    """A record that says it is one of ours, and whose payload is no JSON."""


@dataclass(frozen=True)
class Event:
    """One event; `flow` is its correlation ID, if it carries one."""

    type: str
    event_id: str
    flow: str | None
    payload: Payload

    def value(self) -> bytes:
        return json.dumps(self.payload).encode()


def read(record: Record, flow_header: str) -> Event | None:
    """The event in a record, or None where somebody else's record shares the topic."""
    headers = dict(record.headers)
    try:
        kind, event_id = headers["type"].decode(), headers["event_id"].decode()
        flow = headers[flow_header].decode() if flow_header in headers else None
    except (KeyError, UnicodeDecodeError, AttributeError):  # not there; not text; null
        return None
    try:
        payload = json.loads(record.value or b"null")
    except ValueError as error:
        where = f"{record.topic}/{record.partition} at {record.offset}"
        raise UnreadableError(f"{kind} in {where}: {error}") from error
    return Event(kind, event_id, flow, payload)
