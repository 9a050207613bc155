"""The house's own book: which work is under way, and how the rest ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Generic

from demo.services.work import W

REMEMBERED = 50_000  # correlation IDs: a shop may be open for weeks


class Ledger(Generic[W]):
    """Counts work by how it ended; `flows` knows what is behind a correlation ID."""

    def __init__(self) -> None:
        self.created = 0
        self.ended: Counter[str] = Counter()
        self.flows: dict[str, W] = {}
        self._open: set[int] = set()
        self._all_ended = asyncio.Event()
        self._all_ended.set()

    @property
    def open(self) -> int:
        return len(self._open)

    def begin(self, work: W) -> None:
        self.created += 1
        self.flows[work.flow] = work
        if len(self.flows) > REMEMBERED:
            del self.flows[next(iter(self.flows))]
        self._open.add(work.number)
        self._all_ended.clear()

    def end(self, number: int, how: str) -> None:
        """`how`: completed, cancelled or lost. Work of an earlier run does not count."""
        if number in self._open:
            self._open.remove(number)
            self.ended[how] += 1
        if not self._open:
            self._all_ended.set()

    async def all_ended(self) -> None:
        await self._all_ended.wait()
