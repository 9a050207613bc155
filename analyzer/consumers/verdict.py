"""The verdict on a consumer of a partition, by rules in the order of what matters most.

Progress is held against the work that is owed: lag alone says nothing, and neither do totals over
partitions. Pure: from what was observed, and nothing else.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Literal, NamedTuple

from analyzer.consumers.course import Commit, Course
from collector.consumers.observation import EMPTY, REBALANCING
from collector.times import US_PER_S, format_duration

Word = Literal[
    "ok", "growing", "stuck", "stopped", "rewound", "rebalancing", "recreated", "swallowing",
    "producer_hung", "unseen",
]  # fmt: skip
WORDS: tuple[Word, ...] = (
    "ok", "growing", "stuck", "stopped", "rewound", "rebalancing", "recreated", "swallowing",
    "producer_hung", "unseen",
)  # fmt: skip

TIMES = 3
"""So many of its usual intervals a consumer may be silent while work is owed."""
UNKNOWN = 5
"""Of who was not seen to commit anything of late, nobody knows what is usual: so many looks are
taken for it. Workers of Kafka Connect commit once a minute."""
LOOKED_AT = 10
"""So many commits tell what is usual."""
RISES = 4
"""So many commits in a row after which more is left each time are growth."""
RISE = 0.1
"""And what is left grows older by no less than this share of the time."""
SLOW_RISES, SLOW_RISE = (12, 24, 48, 96), 0.02
"""Over more commits less is enough."""
OLDER = 1.2
"""And it is so much older than is usual."""
REWIND_SHOWN = 60
"""So many looks a rewind is told of after it was regained."""
WOBBLES = 4
"""What is left grows by no less than so many times what it went up or down by before, from one
commit to the next,"""
BEFORE = 20
"""and is more than after any of so many commits before, whenever between two looks was committed.
"""
STANDS = 8
"""So many commits it is growing still, unless less is left."""
SPANS = (
    (RISES, RISE), *((count, RISE) for count in (6, 8, 10)),
    *((count, SLOW_RISE) for count in SLOW_RISES),
)  # fmt: skip
"""A step that does not rise is no end of it: it is looked at from further back, too."""
SETTLE = 30 * US_PER_S
"""So long after an event what comes of it may take."""
SWALLOWED = 3
"""So many events in a row of which nothing comes are no chance."""
STORM = 6
"""In so many looks two rebalances, or one for half of them, are one too many."""


class Verdict(NamedTuple):
    """`since`: when it began to be so, as far as was seen (µs); `because`: the rule, in words."""

    word: Word
    since: int
    because: str


def verdict(course: Course) -> Verdict:
    for rule in RULES:
        found = rule(course)
        if found is not None:
            return found
    return _ok(course)


def _unseen(course: Course) -> Verdict | None:
    state = course.state
    if state.why is not None:
        return Verdict("unseen", state.since, state.why)
    if course.end is None:
        return Verdict(
            "unseen", course.commits[-1].since,
            "the topic's end cannot be seen: it is gone, has no leader, or DESCRIBE is not granted",
        )  # fmt: skip
    return None


def _recreated(course: Course) -> Verdict | None:
    end = course.end
    if end is None:
        return None
    if course.topic_id != course.ends_topic_id:
        why = f"offset {course.committed} was committed to a topic of that name that is no more"
        return Verdict("recreated", course.ends[0].since, why)
    # Where the end was not seen since, what was committed meanwhile may well have come meanwhile.
    if course.committed > end.high_watermark and course.commits[-1].end is not None:
        why = (
            f"offset {course.committed} is committed, and the log ends at {end.high_watermark}: "
            "the topic was made anew, or its log cut back"
        )
        return Verdict("recreated", max(end.since, course.commits[-1].since), why)
    return None


def _producer_hung(course: Course) -> Verdict | None:
    """All that may be read was read, and an open transaction holds back what others wrote."""
    end = course.end
    if end is None or course.committed < end.end or end.high_watermark <= end.end:
        return None
    if course.now - end.since < TIMES * course.every:
        return None
    who = f"a transaction of {end.hung}" if end.hung else "an open transaction"
    stood = format_duration(_whole_seconds(course.now - end.since))
    held = end.high_watermark - end.end
    return Verdict("producer_hung", end.since, f"{who} holds back {held} events for {stood}")


def _rebalancing(course: Course) -> Verdict | None:
    """Long, or again and again."""
    begun = course.now - STORM * course.every
    entries, spent = 0, 0
    first = course.now
    for number, state in enumerate(course.states):
        last = number + 1 == len(course.states)
        until = course.now if last else course.states[number + 1].since
        if state.name not in REBALANCING or until < begun:
            continue
        entries += number == 0 or course.states[number - 1].name not in REBALANCING
        spent += until - max(state.since, begun)
        first = min(first, state.since)
    state = course.state
    stands = state.name in REBALANCING and course.now - state.since >= TIMES * course.every
    if not stands and entries < 2 and spent < STORM * course.every // 2:
        return None
    if stands:
        why = f"{state.name} for {format_duration(_whole_seconds(course.now - state.since))}"
    else:
        why = f"{entries} rebalances within {format_duration(STORM * course.every)}"
    return Verdict("rebalancing", first, why)


def _markers(course: Course) -> Verdict | None:
    if not course.lag or course.waiting_since is not None:
        return None
    return Verdict("ok", course.commits[-1].since, "all is read: what is left are markers")


def _stopped(course: Course) -> Verdict | None:
    return _idle(course, "stopped") if course.state.name in EMPTY else None


def _stuck(course: Course) -> Verdict | None:
    state = course.state
    found = None if state.name in EMPTY else _idle(course, "stuck")
    if found is not None and state.name in REBALANCING:
        # Nobody reads while members are handed their partitions, however long that takes.
        stood = format_duration(_whole_seconds(course.now - state.since))
        return Verdict("rebalancing", state.since, f"{state.name} for {stood}, and work is owed")
    return found


def _idle(course: Course, word: Literal["stopped", "stuck"]) -> Verdict | None:
    """Work is owed, and for longer than is usual nothing of it was committed."""
    lag, since = course.lag, owed_since(course)
    patience = usual(course)
    if word == "stuck" and len(course.commits) < 2:
        patience = max(patience, UNKNOWN * course.every)
    if not lag or since is None or course.now - since < TIMES * patience:
        return None
    stood = format_duration(_whole_seconds(course.now - since))
    members = course.state.members
    who = (
        f"nobody is in the group ({course.state.name})"
        if word == "stopped"
        else f"{'its members' if members is None else f'{members} in the group'}"
    )
    why = f"{who}, {lag} wait, and offset {course.committed} was not passed for {stood}"
    return Verdict(word, since, why)


def _rewound(course: Course) -> Verdict | None:
    """It went back: until it has regained where it was, and for a while after."""
    peak = before_it = course.commits[0].committed
    back: tuple[int, int, int] | None = None
    for commit in course.commits:
        if commit.committed < before_it:
            back = (commit.since, peak, commit.committed)
        before_it = commit.committed
        regained_for = course.now - commit.since
        shown = REWIND_SHOWN * course.every
        if back is not None and commit.committed >= back[1] and regained_for > shown:
            back = None
        peak = max(peak, commit.committed)
    if back is None:
        return None
    since, before, after = back
    regained = ", and has regained that" if course.committed >= before else ""
    return Verdict("rewound", since, f"went back from offset {before} to {after}{regained}")


def _growing(course: Course) -> Verdict | None:
    """After each commit more is left than after the one before, and older; and it is so still as
    long as it does not get less."""
    known = [one for one in course.commits if one.end is not None]
    if not course.lag or len(known) < RISES:
        return None
    least = OLDER * usual(course)
    for since in range(min(STANDS, len(known) - RISES) + 1):
        grown = known[: len(known) - since]
        if since and known[-1].left < grown[-1].left:
            continue
        found = _grew(grown, least, course)
        if found is not None:
            first, last = found
            span = format_duration(_whole_seconds(last.since - first.since))
            why = f"{last.left} were left after a commit, and {first.left} {span} before"
            return Verdict("growing", first.since, why)
    return None


def _grew(commits: Sequence[Commit], least: float, course: Course) -> tuple[Commit, Commit] | None:
    if commits[-1].behind < least:
        return None
    surely = _surely_left(commits[-1], course)
    for count, share in SPANS:
        if len(commits) < count:
            return None
        before, tail = commits[-count - BEFORE : -count], commits[-count:]
        took, older = tail[-1].since - tail[0].since, tail[-1].behind - tail[0].behind
        if older < share * took or surely <= max(one.left for one in (*before, tail[0])):
            continue
        if _is_more_than_usual(tail, before) and _rises([one.left for one in tail]):
            return tail[0], tail[-1]
    return None


def _surely_left(commit: Commit, course: Course) -> int:
    """What came since the look before may have come after it was committed: the same lag looks
    larger the longer ago that was."""
    at = bisect_left(course.ends, commit.since, key=lambda one: one.since)
    return max(0, course.ends[at - 1].end - commit.committed) if at else 0


def _is_more_than_usual(tail: Sequence[Commit], before: Sequence[Commit]) -> bool:
    """What is as it always was may rise a few times in a row by chance."""
    steps = [abs(b.left - a.left) for a, b in pairwise(before)]
    wobble = median(steps) if steps else 0
    return tail[-1].left - tail[0].left >= WOBBLES * wobble


def _rises(behind: Sequence[int]) -> bool:
    """A single dip hides nothing: a few each step, many third by third."""
    if len(behind) <= RISES:
        return all(a < b for a, b in pairwise(behind))
    third = len(behind) // 3
    one, two, three = (median(behind[n * third : (n + 1) * third or None]) for n in range(3))
    return one < two < three and behind[-third] < behind[-1]


def _swallowing(course: Course) -> Verdict | None:
    """It commits on, and nothing comes out."""
    settled = [
        one
        for one in course.outcomes
        if one.offset < course.committed and one.time + SETTLE <= course.now
    ]
    last = max((n for n, one in enumerate(settled) if one.answered), default=-1)
    silent = settled[last + 1 :]
    if len(silent) < SWALLOWED:
        return None
    why = f"it committed {len(silent)} events in a row of which nothing came out"
    return Verdict("swallowing", silent[0].time, why)


def _ok(course: Course) -> Verdict:
    since, lag = course.commits[0].since, course.lag or 0
    if not lag:
        return Verdict("ok", since, "all is read")
    waited = format_duration(_whole_seconds(round((course.lag_seconds or 0) * US_PER_S)))
    first, last = course.commits[0], course.commits[-1]
    seconds = (last.since - first.since) / US_PER_S
    if seconds <= 0 or course.now - last.since > TIMES * usual(course):
        return Verdict("ok", since, f"{lag} behind for {waited}: no longer than is usual")
    drains = (last.committed - first.committed) / seconds
    comes = ((course.end_at(last.since) or 0) - (course.end_at(first.since) or 0)) / seconds
    why = f"{lag} behind ({waited}), and reads {drains:.1f}/s of {comes:.1f}/s that come"
    if drains > comes * 1.05 and lag > drains:
        why += f"; caught up in {format_duration(round(lag / (drains - comes)) * US_PER_S)}"
    return Verdict("ok", since, why)


def owed_since(course: Course) -> int | None:
    """Since when nothing was done of what was there to do; None while nothing is."""
    if course.waiting_since is None:
        return None
    return max(course.commits[-1].since, course.waiting_since)


def usual(course: Course) -> int:
    """How long it usually takes to commit something while something waits; no less than we look."""
    took = [
        later.since - max(earlier.since, later.waited_since)
        for earlier, later in pairwise(course.commits)
        if later.waited_since is not None
    ]
    return max(course.every, round(median(took[-LOOKED_AT:])) if took else 0)


def _whole_seconds(us: int) -> int:
    return us // US_PER_S * US_PER_S


Rule = Callable[[Course], Verdict | None]
RULES: tuple[Rule, ...] = (
    _unseen, _recreated, _producer_hung, _markers, _stopped, _rebalancing, _stuck, _rewound,
    _growing, _swallowing,
)  # fmt: skip
