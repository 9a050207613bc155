"""Which event another was made of, where events say so."""

from collections.abc import Mapping

import msgspec

from analyzer.episode import Episode
from collector.event import Event

KEY = "causation_id"
HEADERS = (KEY, "ce_causationid")
"""Where the key is not configured; the second is CloudEvents' extension."""


def causation_of(event: Event) -> str | None:
    """The event ID of its cause."""
    for name, value in event.keys:
        if name == KEY:
            return value
    if not any(name in event.headers for name in HEADERS):
        return None
    told: dict[str, object] = dict(msgspec.json.decode(event.headers))
    found = next((told[name] for name in HEADERS if name in told), None)
    return found if isinstance(found, str) else None


class Causes:
    """Of the events of one flow, by their event IDs."""

    def __init__(self, episode: Episode) -> None:
        self._by_id: Mapping[str | int, Event] = {
            event.id: event for event in episode.in_order(copies=False) if event.id is not None
        }

    def of(self, event: Event) -> Event | None:
        """None: it does not say, or that event is not in the flow."""
        name = causation_of(event)
        return None if name is None else self._by_id.get(name)

    def leads(self, event: Event, to: Event) -> bool:
        """Whether it was made of this one, over however many steps."""
        passed: set[str] = set()
        name = causation_of(event)
        while name is not None and name not in passed:
            if name == to.id:
                return True
            passed.add(name)
            cause = self._by_id.get(name)
            name = None if cause is None else causation_of(cause)
        return False
