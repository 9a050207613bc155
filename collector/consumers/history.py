"""What of each look is written down: what changed; and all of it every now and then, so that how
it stands is known from the newest rows alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from collector.consumers.appended import Appended, Ends
from collector.consumers.exactly import fresh, within
from collector.consumers.observation import (
    CommitRow,
    End,
    EndRow,
    ExactCommit,
    GroupRow,
    GroupState,
    Known,
    Look,
    Place,
)
from collector.times import US_PER_S

REPEAT_EVERY = 600 * US_PER_S
"""So often what did not change is written again."""
NEWEST_WITHIN = REPEAT_EVERY + 60 * US_PER_S
"""Of all that holds at a moment there is a row that is no older: some are written a little late."""
GONE = GroupState("", "Gone", 0)


@dataclass
class Rows:
    groups: list[GroupRow] = field(default_factory=list)
    commits: list[CommitRow] = field(default_factory=list)
    ends: list[EndRow] = field(default_factory=list)


class History:
    """Of one source. Give it looks in the order of time; take rows."""

    def __init__(self, source: str, known: Known) -> None:
        self._source = source
        self._groups = {row.group: row for row in known.groups if row.state != GONE.state}
        self._commits = {
            (row.group, Place(row.topic, row.partition)): row
            for row in known.commits
            if row.committed is not None
        }
        self._ends: dict[Place, EndRow] = {}
        self._over_time: dict[Place, Ends] = {}
        for row in known.ends:
            place = Place(row.topic, row.partition)
            self._note_end(place, row, row.before, row.moment)
            self._ends[place] = row
        self._asked = None if known.watch is None else known.watch.moment
        """When the last look asked for commits."""
        self._blind = {row.group for row in known.groups if row.why is not None}
        """Groups of which the last look could not tell."""
        self._whole = True
        self._last_seen: dict[str, int | None] = {}
        """Of groups of which the last look could not tell: when the last one asked that could."""
        self._strangers: set[str] = set()
        """Groups that are new, after a look that did not see all."""
        self._anew: set[str] = set()
        """Groups that are seen again: all of their commits are written."""
        self._new: set[str] = set()
        self._exactly: dict[tuple[str, Place], ExactCommit | None] = {}
        """When the last commits of this look were made, where that is known."""

    def groups(self) -> frozenset[str]:
        """Those that were there, as far as is known."""
        return frozenset(group for group, row in self._groups.items() if row.state != GONE.state)

    def take(self, look: Look) -> Rows:
        rows = Rows()
        blind = {group for group, state in look.groups.items() if state.why is not None}
        blind |= look.unseen
        if not look.whole:
            blind |= self._groups.keys() - look.groups.keys()
        self._anew = self._blind - blind
        self._strangers = set() if self._whole else look.groups.keys() - self._groups.keys()
        for place, end in look.ends.items():
            self._take_end(place, end, look, rows)
        self._new = look.groups.keys() - self._groups.keys()
        self._take_groups(look, rows)
        self._exactly = {of: self._take_exact(*of, some, look, rows)
                         for of, some in look.exact.items()}  # fmt: skip
        for group, commits in look.commits.items():
            for place, committed in commits.items():
                self._take_commit(group, place, committed, look, rows)
        self._take_back(look, rows)
        self._last_seen = {group: self._before(group) for group in blind & self._blind} | (
            dict.fromkeys(blind - self._blind, self._asked)
        )
        self._asked, self._blind, self._whole = look.asked, blind, look.whole
        return rows

    def _before(self, group: str) -> int | None:
        """When the last look asked that could tell how far this group was."""
        if group in self._blind:
            return self._last_seen.get(group)
        return None if group in self._strangers else self._asked

    # Ends

    def _take_end(self, place: Place, end: End, look: Look, rows: Rows) -> None:
        last, moment = self._ends.get(place), look.answered
        row = EndRow(
            moment, self._source, *_named(place, end.topic_id), end.end, end.high_watermark,
            moment, None, end.hung,
        )  # fmt: skip
        if last is not None and last.topic_id == end.topic_id:
            same = last.end == end.end
            row = structs.replace(
                row,
                since=last.since if same else moment,
                before=last.before if same else self._asked,
            )
            if _content(last) == _content(row) and moment - last.moment < REPEAT_EVERY:
                self._note_end(place, row, None, moment)
                return
        elif last is not None:
            self._over_time.pop(place, None)
        self._note_end(place, row, row.before if row.since == moment else None, moment)
        self._ends[place] = row
        rows.ends.append(row)

    def _note_end(self, place: Place, row: EndRow, before: int | None, moment: int) -> None:
        over_time = self._over_time.setdefault(place, Ends())
        last = self._ends.get(place)
        if before is not None and last is not None and last.moment < before:
            over_time.see(before, last.end)
        over_time.see(moment, row.end)

    # Groups

    def _take_groups(self, look: Look, rows: Rows) -> None:
        gone = self._groups.keys() - look.groups.keys() - look.unseen if look.whole else set()
        states: Mapping[str, GroupState] = {**look.groups, **dict.fromkeys(gone, GONE)}
        for group, state in states.items():
            last, moment = self._groups.get(group), look.answered
            same = last is not None and (last.state, last.why) == (state.state, state.why)
            row = GroupRow(
                moment, self._source, group, state.type or (last.type if last else ""),
                state.state, state.members, last.since if last and same else moment, state.why,
            )  # fmt: skip
            fresh = last is not None and last.moment + REPEAT_EVERY > moment
            if last is not None and fresh and structs.replace(row, moment=last.moment) == last:
                continue
            rows.groups.append(row)
            self._groups[group] = row
        for group in gone:
            del self._groups[group]

    # Commits

    def _take_exact(
        self, group: str, place: Place, some: Sequence[ExactCommit], look: Look, rows: Rows
    ) -> ExactCommit | None:
        """Writes all but the last one, which is as it stands at this look; None: nothing is new, or
        there may be more to it than was seen."""
        last, end = self._commits.get((group, place)), look.ends.get(place)
        if group in self._anew or group in self._new:
            return None
        found = fresh(some, None if last is None else last.committed)
        if last is not None and end is not None and last.topic_id != end.topic_id:
            found = found[-1:]  # which topic of that name the others were committed to is not known
        since = 0 if last is None else last.since
        found = within(found, since, self._asked or 0, look.answered)
        for one in found[:-1]:
            self._passed_through(group, place, one, end, rows)
        return found[-1] if found else None

    def _passed_through(
        self, group: str, place: Place, one: ExactCommit, end: End | None, rows: Rows
    ) -> None:
        """A commit that another one has followed since: what was owed then is not known."""
        last = self._commits.get((group, place))
        topic_id = end.topic_id if end is not None else last.topic_id if last is not None else ""
        row = CommitRow(
            one.by, self._source, group, *_named(place, topic_id), one.committed, one.by,
            one.not_by, None, None,
        )  # fmt: skip
        if last is None:
            rows.commits.append(_nothing(row, one.not_by))
        rows.commits.append(row)
        self._commits[group, place] = row

    def _take_commit(
        self, group: str, place: Place, committed: int, look: Look, rows: Rows
    ) -> None:
        last, end, moment = self._commits.get((group, place)), look.ends.get(place), look.answered
        seen_before = last is not None and end is not None and group not in self._anew
        done = (place, committed) in look.done
        if seen_before and self._stands(last, committed, end, moment, done):  # type: ignore[arg-type]
            return
        topic_id = end.topic_id if end is not None else last.topic_id if last is not None else ""
        same = last is not None and last.committed == committed
        exactly = self._exactly.get((group, place))
        before = self._before(group) if exactly is None else exactly.not_by
        since = moment if exactly is None else exactly.by
        beyond = end is not None and committed > end.high_watermark
        if last is not None and end is not None and last.topic_id and (same or beyond):
            # It was committed to a topic that is no more, whatever bears its name now.
            topic_id = last.topic_id
        waits: Appended | None = None
        if end is not None and topic_id == end.topic_id and not done:
            waits = self._over_time[place].appended(committed)
        waiting = None if waits is None else waits.moment
        at_least = waits is not None and waits.at_least
        if last is not None and same and last.waiting_since is not None and waits is not None:
            # The record is the same: what is known of it only becomes less exact.
            waiting, at_least = last.waiting_since, last.at_least
        elif waiting is not None and _nothing_waited(last, committed):
            # Before it lie markers: it came after the look that found nothing but them.
            looked = self._before(group) or waiting
            waiting, at_least = max(waiting, looked), at_least and waiting >= looked
        row = CommitRow(
            moment, self._source, group, *_named(place, topic_id), committed,
            last.since if last is not None and same else since,
            last.before if last is not None and same else before,
            None if end is None else end.end, waiting, at_least,
        )  # fmt: skip
        if last is None and before is not None:
            rows.commits.append(_nothing(row, before))
        if (
            last is not None
            and same
            and group not in self._anew
            and (last.waiting_since, last.topic_id) == (waiting, topic_id)
            and (last.end is not None or end is None)
            and moment - last.moment < REPEAT_EVERY
        ):
            return
        self._commits[group, place] = row
        rows.commits.append(row)

    @staticmethod
    def _stands(last: CommitRow, committed: int, end: End, moment: int, done: bool) -> bool:
        """Nothing is new: what nearly all come to, of thousands in each look."""
        return (
            last.committed == committed
            and last.end is not None
            and last.topic_id == end.topic_id
            and (last.waiting_since is None) == (done or end.end <= committed)
            and moment - last.moment < REPEAT_EVERY
        )

    def _take_back(self, look: Look, rows: Rows) -> None:
        """Commits that are no longer there: expired, deleted, or with their topic."""
        for (group, place), last in list(self._commits.items()):
            state = look.groups.get(group)
            if group in look.unseen or place in look.commits.get(group, ()):
                continue
            if (state is None and not look.whole) or (state is not None and state.why):
                continue  # it may be there, and we do not see it
            if last.committed is None:
                del self._commits[group, place]
                continue
            exactly = self._exactly.get((group, place))
            del self._commits[group, place]
            rows.commits.append(
                structs.replace(
                    last,
                    moment=look.answered,
                    committed=None,
                    since=look.answered if exactly is None else exactly.by,
                    before=self._asked if exactly is None else exactly.not_by,
                    waiting_since=None,
                    at_least=False,
                )
            )


def _nothing_waited(last: CommitRow | None, committed: int) -> bool:
    """At the look before, of all that is not committed now."""
    return (
        last is not None
        and last.waiting_since is None
        and last.end is not None
        and last.committed is not None
        and committed >= last.committed
    )


def _nothing(row: CommitRow, moment: int) -> CommitRow:
    """That nothing was committed before it."""
    return structs.replace(
        row, moment=moment, committed=None, since=moment, before=None, end=None,
        waiting_since=None, at_least=False,
    )  # fmt: skip


def _named(place: Place, topic_id: str) -> tuple[str, str, int]:
    return place.topic, topic_id, place.partition


def _content(row: EndRow) -> tuple[int, int, str | None]:
    return row.end, row.high_watermark, row.hung
