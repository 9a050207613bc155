"""Where events that are kept come from and what they are called, told once for all of them."""

from collections.abc import Sequence

from collector.event import Event
from collector.glimpse import Origin, kept_in, number_packed


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


class ByName(dict[str, object]):
    """A flow in which no name came twice: by name what the payload of its event tells, decoded when
    it is asked for, and None where that is nothing."""

    __slots__ = ("_origins", "flow", "kept")

    def __init__(self, flow: str, packed: bytes | bytearray, count: int, origins: Origins) -> None:
        self.flow, self._origins = flow, origins.all()
        names = origins.names
        self.kept = {names[one[0]]: one for one in kept_in(packed, count)}

    def __missing__(self, name: str) -> object:
        number, kept = self.kept[name]
        try:
            found = kept.document(self._origins[number])
        except (LookupError, ValueError, RecursionError):
            found = None
        self[name] = found
        return found

    def events(self) -> list[Event]:
        """All of them."""
        return [self.event(name) for name in self.kept]

    def event(self, name: str) -> Event:
        number, kept = self.kept[name]
        return kept.event(self._origins[number], self.flow)

    def offsets(self, earlier: str, later: str) -> tuple[int, int] | None:
        """Those of two events that lie in one partition."""
        (one, first), (other, last) = self.kept[earlier], self.kept[later]
        place, other_place = self._origins[one], self._origins[other]
        return (first.offset, last.offset) if place.is_beside(other_place) else None
