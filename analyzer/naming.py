"""`events:` of a rule file: what a name means there, if not simply what events are called."""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from analyzer.guards import Guard
from collector.event import Event

Called = Callable[[Event], Sequence[str]]
"""The names that an event has in a rule file: none, one or several."""
ANY_NAME = "*"
"""Among stored names: events of every name."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """Which events have a name: those of these stored names and topics for which `where` holds."""

    name: str
    stored: tuple[str, ...]
    """Empty: whatever they are called."""
    topics: tuple[str, ...] = ()
    where: Guard | None = None

    def fits(self, event: Event) -> bool:
        if not self.allows(event.topic, event.name):
            return False
        return self.where is None or self.where(event, None)

    def allows(self, topic: str, stored: str) -> bool:
        """Whether an event that is stored so may be one of these, if `where` holds for it."""
        if self.stored and stored not in self.stored:
            return False
        return not self.topics or any(fnmatchcase(topic, glob) for glob in self.topics)


@dataclass(frozen=True)
class Naming:
    """All meanings of one file. Names without one mean the events that are called so."""

    meanings: tuple[Meaning, ...]

    def called(self, event: Event) -> Sequence[str]:
        found = [one.name for one in self.meanings if one.fits(event)]
        if all(one.name != event.name for one in self.meanings):
            found.append(event.name)
        return found

    def meaning(self, name: str) -> Meaning | None:
        """What this name means here; None: the events that are called so."""
        return next((one for one in self.meanings if one.name == name), None)

    def stored(self, names: Iterable[str]) -> frozenset[str]:
        """What events may be called that have one of these names here."""
        own = {one.name: one for one in self.meanings}
        found: set[str] = set()
        for name in names:
            meaning = own.get(name)
            found.update((name,) if meaning is None else meaning.stored or (ANY_NAME,))
        return frozenset(found)

    def guards(self, names: Container[str]) -> list[tuple[Meaning, Guard]]:
        """The conditions by which events get one of these names."""
        told = [one for one in self.meanings if one.name in names]
        return [(one, one.where) for one in told if one.where is not None]
