"""What not to keep: events that are ignored or not in the sample, and parts of those that are."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

from collector.cel_values import FieldMissing
from collector.event import Event
from collector.event_view import EventView

Condition = Callable[[dict[str, Any]], Any]
"""Compiled CEL over `event`."""
Store = Literal["payload", "headers", "position"]

IGNORED, SAMPLED = "ignored", "sampled"


class Keep:
    """One topic's rules. Called with an event, it says why that is not kept, or shrinks it."""

    def __init__(
        self, ignore: Sequence[Condition], sample: float | None, store: Store, max_payload: int
    ) -> None:
        self._ignore = ignore
        self._sample = None if sample is None or sample >= 1 else sample
        self._store = store
        self._most = max_payload
        self.long = max_payload // 4
        """Payloads of no more characters than this are surely short enough."""
        self.trivial = not ignore and self._sample is None and store == "payload"
        """Whether only the length of payloads matters."""

    def __call__(self, event: Event) -> str | None:
        if any(_holds(condition, event) for condition in self._ignore):
            return IGNORED
        if self._sample is not None and not in_sample(event.correlation_ids, self._sample):
            return SAMPLED
        if self._store != "payload":
            if event.payload is not None:
                event.payload, event.encoding = None, "not-kept"
            if self._store == "position":
                event.headers, event.key = "[]", None
        elif event.payload is not None and len(event.payload) > self.long:
            _truncate(event, event.payload, self._most)
        return None


def in_sample(correlation_ids: Sequence[str], share: float) -> bool:
    """The same for all events of a flow, on every machine; events without an ID are kept."""
    return not correlation_ids or any(_fraction(id) < share for id in correlation_ids)


def _fraction(id: str) -> float:
    digest = hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _holds(condition: Condition, event: Event) -> bool:
    """As in a rule's guard, a field that is not there makes it false: the event is kept."""
    try:
        return condition({"event": EventView(event)}) is True
    except (FieldMissing, TypeError, ValueError, ArithmeticError, RecursionError):
        return False


def _truncate(event: Event, payload: str, most: int) -> None:
    """Keeps the beginning; size and hash are those of the whole."""
    raw = bytes.fromhex(payload) if event.encoding == "hex" else payload.encode()
    if len(raw) <= most:
        return
    told = f"truncated: {len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}"
    if event.encoding == "hex":
        event.payload = raw[:most].hex()
    else:
        event.payload, event.encoding = raw[:most].decode(errors="ignore"), "text"
    event.problems = (*event.problems, told)
