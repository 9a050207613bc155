"""How long after they happened events are published: what `grace` has to cover."""

from collector.times import US_PER_S

SLOT = 30 * 60 * US_PER_S


class PublishedAfter:
    """The most (µs) of the last half hour to hour, by arrival; two figures, however many events.

    Told by the record's stamp. An event that is timed by that has no difference, and one that was
    published before it happened, by clocks that differ, has none either.
    """

    def __init__(self) -> None:
        self._since = 0
        """When the slot was begun that is filled now."""
        self._most = self._before = 0
        """Of this slot, and of the one before."""

    def note(self, difference: int, arrival: int) -> None:
        """Of an event, or the most of many that arrived together."""
        age = arrival - self._since
        # A clock that was set back begins another slot: else this one would last until it is past.
        if not 0 <= age < SLOT:
            self._before = self._most if age < 2 * SLOT else 0
            self._most, self._since = 0, arrival
        if difference > self._most:
            self._most = difference

    def most(self, now: int) -> int:
        """0: no event was published later than it happened. May be asked from any thread."""
        age = now - self._since
        if age < SLOT:
            return max(self._most, self._before)
        return self._most if age < 2 * SLOT else 0
