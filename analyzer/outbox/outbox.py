"""What waits in the store, and all the sinks that it is for."""

import asyncio
import random
from collections.abc import Callable

from analyzer.outbox.errand import Errand, Trouble
from analyzer.outbox.explaining import Explain, Explaining
from analyzer.outbox.rest import Chance
from analyzer.sinks.sink import Sink
from collector.store.store import Store


class Outbox:
    """One task a sink, so that a sink that hangs delays no other."""

    def __init__(
        self,
        store: Store,
        sinks: dict[str, Sink],
        clock: Callable[[], int],
        chance: Chance = random.random,
        explain: Explain = lambda fingerprint: None,
    ) -> None:
        """`explain`: why the findings of an alert are there, of what is known now."""
        explaining = Explaining(explain)
        self._errands = {
            name: Errand(name, sink, store, clock, chance, explaining)
            for name, sink in sinks.items()
        }

    def wake(self) -> None:
        """Something was committed that may hold notifications."""
        for errand in self._errands.values():
            errand.wake()

    def troubles(self) -> dict[str, Trouble]:
        """By name, the sinks that take nothing now."""
        troubles = {name: errand.trouble() for name, errand in self._errands.items()}
        return {name: trouble for name, trouble in troubles.items() if trouble is not None}

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, errand in self._errands.items():
                    tasks.create_task(errand.run(), name=f"outbox {name}")
        finally:
            for errand in self._errands.values():
                await errand.close()
