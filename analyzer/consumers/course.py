"""What was observed of one group on one partition over time, as its verdict needs it."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from collector.consumers.observation import CommitRow, EndRow, GroupRow, Place, WatchRow
from collector.times import US_PER_S


class Commit(NamedTuple):
    """An offset that was committed, since it was first seen; times are µs."""

    since: int
    committed: int
    end: int | None
    """As it was then, or as soon as it was seen; None: it was not seen since."""
    waited_since: int | None
    """Since when the oldest record waited until this was committed; None: none did."""
    waiting_since: int | None
    """Since when the oldest one waits that is left; None: none is."""

    @property
    def left(self) -> int:
        """How many were left then."""
        return 0 if self.end is None else max(0, self.end - self.committed)

    @property
    def behind(self) -> int:
        """How old the oldest one was that was left; µs."""
        return 0 if self.waiting_since is None else max(0, self.since - self.waiting_since)


class Ends(NamedTuple):
    since: int
    end: int
    high_watermark: int
    hung: str | None


class Outcome(NamedTuple):
    """An event that a service takes in: whether something that it brings out came in its flow."""

    offset: int
    time: int
    answered: bool


class State(NamedTuple):
    since: int
    name: str
    members: int | None
    why: str | None


@dataclass(frozen=True)
class Course:
    """Everything is in the order of time, and the last of each is how it stands at `now`."""

    source: str
    group: str
    place: Place
    topic_id: str
    """Of the topic to which was committed."""
    commits: Sequence[Commit]
    states: Sequence[State]
    ends: Sequence[Ends]
    ends_topic_id: str | None
    """Of the topic that bears the name now; None where its ends cannot be seen."""
    waiting_since: int | None
    at_least: bool
    now: int
    every: int
    """How often it is looked at."""
    outcomes: Sequence["Outcome"] = ()
    """Where a service of this group is declared: what became of the last events that it is to take
    in, in the order of their offsets."""

    @property
    def committed(self) -> int:
        return self.commits[-1].committed

    @property
    def end(self) -> Ends | None:
        return self.ends[-1] if self.ends else None

    @property
    def lag(self) -> int | None:
        """None where the commit belongs to another topic, or the end cannot be seen."""
        end = self.end
        if end is None or self.topic_id != self.ends_topic_id:
            return None
        behind = end.end - self.committed
        return None if self.committed > end.high_watermark else max(0, behind)

    @property
    def lag_seconds(self) -> float | None:
        lag = self.lag
        if lag is None:
            return None
        if lag == 0 or self.waiting_since is None:
            return 0.0
        return max(0, self.now - self.waiting_since) / US_PER_S

    @property
    def state(self) -> State:
        return self.states[-1] if self.states else State(self.now, "Unknown", None, None)

    def end_at(self, moment: int) -> int | None:
        """The end as it was known then."""
        number = bisect_right(self.ends, moment, key=lambda one: one.since)
        return self.ends[max(0, number - 1)].end if self.ends else None


Key = tuple[str, str, Place]


def courses(
    watches: Iterable[WatchRow],
    groups: Sequence[GroupRow],
    commits: Sequence[CommitRow],
    ends: Sequence[EndRow],
) -> list[Course]:
    """Of every group and partition in these rows, which are in the order of time."""
    now = {watch.source: watch for watch in watches}
    states: dict[tuple[str, str], list[State]] = {}
    for row in groups:
        known = states.setdefault((row.source, row.group), [])
        state = State(row.since, row.state, row.members, row.why)
        if known and known[-1].since == row.since:
            known[-1] = state  # the same, with others in it
        else:
            known.append(state)
    over_time: dict[tuple[str, Place], list[Ends]] = {}
    ids: dict[tuple[str, Place], str] = {}
    for end in ends:
        at = end.source, Place(end.topic, end.partition)
        if ids.get(at) != end.topic_id:
            over_time[at] = []
            ids[at] = end.topic_id
        known_ends = over_time[at]
        one = Ends(end.since, end.end, end.high_watermark, end.hung)
        if known_ends and known_ends[-1].since == one.since:
            known_ends[-1] = one
        else:
            known_ends.append(one)
    found: dict[Key, list[CommitRow]] = {}
    for commit in commits:
        key = commit.source, commit.group, Place(commit.topic, commit.partition)
        found.setdefault(key, []).append(commit)
    return [
        _course(key, rows, states.get(key[:2], ()), over_time.get((key[0], key[2]), ()),
                ids.get((key[0], key[2])), now[key[0]])
        for key, rows in sorted(found.items())
        if rows[-1].committed is not None and key[0] in now
    ]  # fmt: skip


def _course(
    key: Key,
    rows: Sequence[CommitRow],
    states: Sequence[State],
    ends: Sequence[Ends],
    ends_topic_id: str | None,
    watch: WatchRow,
) -> Course:
    last = rows[-1]
    commits: list[Commit] = []
    waiting: int | None = None
    for row in rows:
        if row.committed is None or row.topic_id != last.topic_id:
            commits, waiting = [], None
            continue
        if not commits or commits[-1].since != row.since:
            commits.append(Commit(row.since, row.committed, row.end, waiting, row.waiting_since))
        elif commits[-1].end is None:
            commits[-1] = commits[-1]._replace(end=row.end)
        waiting = row.waiting_since
    newest = max(watch.moment, last.moment, *(one.since for one in ends[-1:]))
    return Course(
        *key, last.topic_id, commits, states, ends, ends_topic_id, last.waiting_since,
        last.at_least, newest, watch.every,
    )  # fmt: skip
