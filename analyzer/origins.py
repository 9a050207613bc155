"""Where events that are kept come from and what they are called, told once for all of them."""

from collections.abc import Mapping, Sequence

from collector.event import Event
from collector.event_view import document_of
from collector.glimpse import Kept, Origin, kept_in, number_packed


class Origins:
    """What the events of all open flows have in common, numbered."""

    def __init__(self, known: Sequence[Origin] = ()) -> None:
        self._origins = list(known)
        self._numbers = {origin: number for number, origin in enumerate(known)}
        self.names = [origin.name for origin in known]
        """By number."""

    def packed(self, origin: Origin) -> bytes:
        """What goes before the body of an event of this origin."""
        number = self._numbers.get(origin)
        if number is None:
            number = self._numbers[origin] = len(self._origins)
            self._origins.append(origin)
            self.names.append(origin.name)
        return number_packed(number)

    def all(self) -> list[Origin]:
        """In the order of their numbers."""
        return self._origins

    def of(self, number: int) -> Origin:
        return self._origins[number]

    def events(self, flow: str, packed: bytes | bytearray, count: int) -> list[Event]:
        """A flow's, in the order in which they came."""
        origins = self._origins
        return [one.event(origins[number], flow) for number, one in kept_in(packed, count)]


class ByName(dict[str, Event]):
    """The events of a flow in which no name came twice: most of them are never asked for."""

    def __init__(self, flow: str, packed: bytes | bytearray, count: int, origins: Origins) -> None:
        self.flow, self._origins = flow, origins
        names = origins.names
        self.kept = {names[one[0]]: one for one in kept_in(packed, count)}
        self.documents = _Documents(self.kept, origins)

    def events(self) -> list[Event]:
        """All of them."""
        return [self[name] for name in self.kept]

    def __missing__(self, name: str) -> Event:
        number, kept = self.kept[name]
        event = self[name] = kept.event(self._origins.of(number), self.flow)
        return event


class _Documents(dict[str, object]):
    """What the payloads of these events tell; None where that is nothing."""

    def __init__(self, kept: Mapping[str, tuple[int, Kept]], origins: Origins) -> None:
        self._kept, self._origins = kept, origins

    def __missing__(self, name: str) -> object:
        number, kept = self._kept[name]
        found = self[name] = document_of(kept.payload, self._origins.of(number).encoding)
        return found
