"""The readers of one source: they share its schema registry, and are counted together."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from collector.decode import Reader
from collector.settings import RegistrySettings, SourceSettings

if TYPE_CHECKING:
    from collector.codecs.registry import Registry


class Readers:
    """One for each topic. A recreated topic gets another, and the counts of the old one stay."""

    def __init__(self, settings: SourceSettings, clock: Callable[[], int]) -> None:
        self._settings = settings
        registry = settings.registry
        self._registry = None if registry is None else _registry(settings.name, registry, clock)
        self._readers: dict[tuple[str, str], Reader] = {}

    def of(self, topic: str, topic_id: str) -> Reader:
        reader = self._readers.get((topic, topic_id))
        if reader is None:
            special = self._settings.special(topic)
            reader = Reader(self._settings, topic, topic_id, special, self._registry)
            self._readers[(topic, topic_id)] = reader
        return reader

    def skipped(self) -> Counter[tuple[str, str]]:
        """How many events were not kept since the start, by topic and reason."""
        return self._sum("skipped")

    def problems(self) -> Counter[tuple[str, str]]:
        """How many events had a problem since the start, by topic and problem."""
        return self._sum("problems")

    def _sum(self, name: str) -> Counter[tuple[str, str]]:
        total: Counter[tuple[str, str]] = Counter()
        # Copies: others ask this while the tap goes on.
        for (topic, _), reader in list(self._readers.items()):
            for reason, count in list(getattr(reader, name).items()):
                total[topic, reason] += count
        return total

    def published_after(self, now: int) -> dict[str, int]:
        """How long (µs) after they happened events were published of late, at most: by topic,
        of those where they were."""
        found: dict[str, int] = {}
        for (topic, _), reader in list(self._readers.items()):
            if later := reader.published_after.most(now):
                found[topic] = max(later, found.get(topic, 0))
        return found

    async def close(self) -> None:
        if self._registry is not None:
            await self._registry.close()


def _registry(source: str, settings: RegistrySettings, clock: Callable[[], int]) -> "Registry":
    from collector.codecs.registry import Registry  # here: most sources have none, and it is slow

    return Registry(source, settings, clock)
