"""How a tap stands with its bus: what the store cannot tell, for status and its readers."""

from collections.abc import Mapping
from typing import Literal

import msgspec

Counts = dict[str, dict[str, int]]
"""How many events, by topic and reason."""


class Denied(msgspec.Struct, frozen=True):
    """A topic that may not be read."""

    topic: str
    since: int
    why: str


class Condition(msgspec.Struct, frozen=True):
    """Times are µs. While connecting, `why` says what failed and `next_try` when it is tried."""

    kind: str
    state: Literal["reading", "connecting"]
    since: int
    why: str | None = None
    next_try: int | None = None
    denied: tuple[Denied, ...] = ()
    waiting: tuple[tuple[str, int], ...] = ()
    """Partitions (topic, number) that wait for slower ones."""
    skipped: Counts = {}
    """Events that were not kept since the tap started, `ignored` or `sampled`."""
    problems: Counts = {}
    """Problems of events that were kept, since the tap started."""
    published_after: dict[str, int] | None = None
    """By topic, how long (µs) after they happened events were published of late, at most. None
    where nothing tells when they were: event lines do not."""


def by_topic(counts: Mapping[tuple[str, str], int]) -> Counts:
    """Counts by (topic, reason) as a condition tells them: plain, for whoever passes it on."""
    found: Counts = {}
    for (topic, reason), count in sorted(counts.items()):
        found.setdefault(topic, {})[reason] = count
    return found
