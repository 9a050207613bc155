"""The shop's own book: which orders are under way, and how the others ended."""

from __future__ import annotations

import asyncio
from collections import Counter


class Ledger:
    """Counts orders by how they ended; `flows` knows the number behind a correlation ID."""

    def __init__(self) -> None:
        self.created = 0
        self.ended: Counter[str] = Counter()
        self.flows: dict[str, int] = {}
        self._open: set[int] = set()
        self._all_ended = asyncio.Event()
        self._all_ended.set()

    @property
    def open(self) -> int:
        return len(self._open)

    def begin(self, number: int, flow: str) -> None:
        self.created += 1
        self.flows[flow] = number
        self._open.add(number)
        self._all_ended.clear()

    def end(self, number: int, how: str) -> None:
        """`how`: completed, cancelled or lost. Orders of an earlier run do not count."""
        if number in self._open:
            self._open.remove(number)
            self.ended[how] += 1
        if not self._open:
            self._all_ended.set()

    async def all_ended(self) -> None:
        await self._all_ended.wait()
