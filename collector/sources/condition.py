"""How a tap stands with its bus: what the store cannot tell, for status and its readers."""

from typing import Literal

import msgspec


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
