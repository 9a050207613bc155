"""A consumer and a producer as they act, looked at every few seconds: what a verdict is judged on.

A case says who produces and consumes how fast, and when; from that come looks, from looks the rows
that are stored, and from those the courses, as in the daemon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analyzer.consumers.course import Course, courses
from collector.consumers.history import History
from collector.consumers.observation import (
    CommitRow,
    End,
    EndRow,
    GroupRow,
    GroupState,
    Known,
    Look,
    Place,
    WatchRow,
)
from collector.times import US_PER_S

PLACE = Place("orders", 0)
STEP = 0.1
"""Seconds: as fine as they act."""


@dataclass
class Acted:
    """Rows as they came to be, and the moments of the looks."""

    every: float
    groups: list[GroupRow] = field(default_factory=list)
    commits: list[CommitRow] = field(default_factory=list)
    ends: list[EndRow] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)

    def course(self, second: float) -> Course | None:
        """As it was known at the look of this second."""
        moment = round(second * US_PER_S) + 20_000
        watch = WatchRow("bus", 0, round(second * US_PER_S), round(self.every * US_PER_S), ("*",))
        found = courses(
            [watch],
            [row for row in self.groups if row.moment <= moment],
            [row for row in self.commits if row.moment <= moment],
            [row for row in self.ends if row.moment <= moment],
        )
        return found[0] if found else None


def act(case: dict[str, Any]) -> Acted:
    """`produce`, `consume`: [from, to, per second]; `commit_every`; `commits`: [second, offset],
    by hand; `states`: [second, state, members]; `hangs`: [from, to] of a transaction; `recreated`:
    the second, and the offset from which the new one has records; `no_commits`: [from, to];
    `ends_unseen`: [from, to]."""
    every = float(case.get("every", 5))
    acted, history = Acted(every), History("bus", Known())
    end = float(case.get("end", 0))
    read = committed = float(case.get("committed", end))
    topic_id, stable = "id-1", None
    states = case.get("states", [[0, "Stable", 1]])
    commit_every, next_commit = float(case.get("commit_every", 5)), float(case.get("phase", 2))
    by_hand = sorted(case.get("commits", []))
    next_look = 0.0
    second = 0.0
    while second <= case["until"] + STEP / 2:
        recreated = case.get("recreated")
        if recreated is not None and second >= recreated[0] and topic_id == "id-1":
            topic_id, end = "id-2", float(recreated[1])
        for start, stop, rate in case.get("produce", []):
            end += rate * STEP if start <= second < stop else 0
        hung = any(start <= second < stop for start, stop in case.get("hangs", []))
        stable = (end if stable is None else stable) if hung else None
        visible = end if stable is None else stable
        for start, stop, rate in case.get("consume", []):
            if start <= second < stop:
                read = max(read, min(visible, read + rate * STEP))
        silent = any(start <= second < stop for start, stop in case.get("no_commits", []))
        if second >= next_commit - STEP / 2:
            next_commit += commit_every
            if not silent and (read > committed or case.get("recommits")):
                committed = max(committed, float(int(read)))
        while by_hand and by_hand[0][0] <= second:
            committed = read = float(by_hand.pop(0)[1])
        if second >= next_look - STEP / 2:
            next_look += every
            _, name, members = [one for one in states if one[0] <= second][-1]
            markers = int(case.get("markers", 0))
            ends = {PLACE: End(topic_id, int(visible) + markers, int(end) + markers,
                               "producer 7 since offset 1" if hung else None)}  # fmt: skip
            if any(start <= second < stop for start, stop in case.get("ends_unseen", [])):
                ends = {}
            look = Look(
                round(second * US_PER_S),
                round(second * US_PER_S) + 10_000,
                {"g": GroupState("classic", name, members)},
                {"g": {PLACE: int(committed)}},
                ends,
                done=frozenset(((PLACE, int(committed)),) if committed >= int(visible) else ()),
            )  # fmt: skip
            rows = history.take(look)
            acted.groups += rows.groups
            acted.commits += rows.commits
            acted.ends += rows.ends
            acted.moments.append(second)
        second = round(second + STEP, 3)
    return acted
