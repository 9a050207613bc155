"""Which events may fit an activation, looked up by the values that both must have.

A short cut for long flows, where asking every event for every activation takes time by the square.
Who is found is asked still, and nobody who fits is left out.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from analyzer.guards import MISSING, Guard, Read
from analyzer.values import canonical
from collector.event import Event

FEW = 16
"""Of so few each is simply asked."""

Item = TypeVar("Item")
Key = tuple[str, ...]
Candidates = Callable[[Event], Sequence[Event]]
"""By an activation, the events that may fit it, in order."""


class Likeness:
    """What `same` and `such_that` need to be equal, if anything."""

    def __init__(self, same: Sequence[Guard], such_that: Guard | None) -> None:
        links = [] if such_that is None else such_that.links()
        links += [(path.value, path.value) for path in same]
        self._of_event = [one for one, _ in links]
        self._of_cause = [other for _, other in links]

    def events_for(self, events: Sequence[Event]) -> Candidates:
        """Of these, which are in order."""
        if not self._of_event or len(events) <= FEW:
            return lambda cause: events
        by_key = _by_key(events, lambda event: _key(self._of_event, event))
        return lambda cause: by_key.get(_key(self._of_cause, cause), ())

    def causes_for(
        self, items: list[Item], cause_of: Callable[[Item], Event]
    ) -> Callable[[Event], list[Item]]:
        """Of these, each with its cause, in order, those whose cause an event may fit. Nobody is in
        two of the lists that come of it."""
        if not self._of_event or len(items) <= FEW:
            return lambda event: items
        by_key = _by_key(items, lambda item: _key(self._of_cause, cause_of(item)))
        return lambda event: by_key.get(_key(self._of_event, event), [])


def _by_key(
    items: Iterable[Item], key_of: Callable[[Item], Key | None]
) -> dict[Key | None, list[Item]]:
    found: dict[Key | None, list[Item]] = {}
    for item in items:
        if (key := key_of(item)) is not None:
            found.setdefault(key, []).append(item)
    return found


def _key(reads: Iterable[Read], event: Event) -> Key | None:
    """None: it lacks a value, and fits nothing."""
    values = [read(event) for read in reads]
    return None if MISSING in values else tuple(map(canonical, values))
