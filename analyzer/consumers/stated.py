"""What the test of a rule file says of consumers, as if it had been observed all the time."""

from collections.abc import Sequence

from analyzer.consumers.consumed import CommitsInMemory
from analyzer.rules.tests import StatedCommit
from collector.consumers.history import History, Rows
from collector.consumers.observation import End, GroupState, Known, Look, Place, WatchRow
from collector.event import Event

PRESENT = GroupState("classic", "Stable", 1)
CONSTANT = 1_000_000
"""µs: how often one looks, for verdicts."""


class Stated:
    """Rows as the store would hold them, of one bus."""

    def __init__(self, stated: Sequence[StatedCommit], events: Sequence[Event], start: int) -> None:
        stated = sorted(stated, key=lambda one: one.at)
        sources = [*(one.source for one in stated), *(event.source for event in events)]
        self.source = sources[0] if sources else ""
        self._start = min([start, *(one.at for one in stated)])
        history = History(self.source, Known())
        moments = {one.at for one in stated} | {event.arrival for event in events}
        self.rows = Rows()
        # A change is seen to have come between two looks, one at its very moment.
        for moment in sorted({self._start, *(at + n for at in moments for n in (-1, 0))}):
            rows = history.take(self._look(stated, events, moment))
            self.rows.groups += rows.groups
            self.rows.commits += rows.commits
            self.rows.ends += rows.ends

    def watch(self, moment: int) -> WatchRow:
        return WatchRow(self.source, self._start, moment, CONSTANT, ("*",))

    def until(self, moment: int) -> Rows:
        """What was observed by then."""
        return Rows(
            [row for row in self.rows.groups if row.moment <= moment],
            [row for row in self.rows.commits if row.moment <= moment],
            [row for row in self.rows.ends if row.moment <= moment],
        )

    def consumed(self, moment: int) -> CommitsInMemory:
        found, rows = CommitsInMemory(), self.until(moment)
        found.see(rows.groups, rows.commits, [self.watch(moment)])
        return found

    @staticmethod
    def _look(stated: Sequence[StatedCommit], events: Sequence[Event], moment: int) -> Look:
        groups: dict[str, GroupState] = {one.group: PRESENT for one in stated}
        commits: dict[str, dict[Place, int]] = {group: {} for group in groups}
        ends: dict[Place, int] = {}
        for event in events:
            place = Place(event.topic, event.partition)
            ends.setdefault(place, 0)
            if event.arrival <= moment:
                ends[place] = max(ends[place], event.offset + 1)
        for one in stated:
            place = Place(one.topic, one.partition)
            ends.setdefault(place, 0)
            if one.at > moment:
                continue
            if one.end is not None:
                ends[place] = max(ends[place], one.end)
            if one.offset is not None:
                commits[one.group][place] = one.offset
                ends[place] = max(ends[place], one.offset)
            if one.state is not None:
                present = one.state not in ("Empty", "Dead")
                groups[one.group] = GroupState("classic", one.state, 1 if present else 0)
        found = {place: End(place.topic, end, end) for place, end in ends.items()}
        return Look(moment, moment, groups, commits, found)
