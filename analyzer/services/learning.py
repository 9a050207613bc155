"""Which group takes an event and brings out the next one of its flow: learned from when.

Where a group lags, what it brings out is as late as the group is. So a case tells where an event
waited: it is for a group that took it late, just before the next one came, and against every group
that had taken it long before, or has only after. All others fit any group that keeps up.

Pure: from events and commits as observed, in any order of the events.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Literal, NamedTuple

from analyzer.services.learned import Confidence, Learned
from analyzer.services.progress import Progress, Taking
from analyzer.services.sighting import Sighting, by_flow
from analyzer.why.case import SETTLE
from collector.event import ORDER
from collector.times import NEVER, US_PER_S

SKEW = US_PER_S
"""So much clocks may differ."""
LATE = 5 * US_PER_S
"""An event that was surely not taken within that time has waited."""
SLIPS = 0.1
"""Of the cases that tell no more may be against a group: a late answer says nothing of it."""
TOLD_FROM = 5
"""So many cases have to fit, or it is not told of at all."""
MANY, OCCASIONS, MINUTES = 10, 3, 2
"""Likely with so many cases for it, in so many minutes of partitions, and so many minutes."""
ELSEWHERE = 0.1
"""A step explains something by itself if nothing nearer does for this share of its cases."""
NEARLY_ALL = 0.95
HALF = 0.5
"""Where so much of what comes of one event may as well come of another, nothing tells of which."""
MOST_OF_A_FLOW = 100
"""Longer flows teach nothing that others do not."""
MOST_PAIRS = 400_000
"""So often two events and a group are held against each other."""
FEW_FLOWS = 2_000
"""So many tell what lies between what."""

Verdict = Literal["for", "against", "undecided"]


class Step(NamedTuple):
    """`group` takes `consumes` and brings out `emits`."""

    source: str
    group: str
    consumes: str
    emits: str


@dataclass(slots=True)
class Cases:
    cases_for: int = 0
    against: int = 0
    undecided: int = 0
    occasions: set[tuple[str, int, int]] = field(default_factory=set)
    """Topic ID, partition and minute of those that are for it."""

    @property
    def fitting(self) -> int:
        return self.cases_for + self.undecided

    @property
    def refuted(self) -> bool:
        """One alone against it is chance."""
        return self.against > 1 and self.against > SLIPS * (self.cases_for + self.against)

    def likely(self) -> bool:
        minutes = {minute for _, _, minute in self.occasions}
        return (
            self.cases_for >= MANY
            and len(self.occasions) >= OCCASIONS
            and len(minutes) >= MINUTES
            and self.against <= SLIPS * self.cases_for
        )


class Flow(NamedTuple):
    """In order, without copies, and with the times of its dead letters and retries."""

    events: Sequence[Sighting]
    letters: Sequence[int]

    def before(self, number: int) -> Iterator[Sighting]:
        """What may have caused this event: the last of each name, but none before another of its
        own name, which would be what came of it; nor what was tried again between them."""
        event, seen = self.events[number], set[str]()
        since = max((one for one in self.letters if one <= event.time + SKEW), default=NEVER)
        for cause in reversed(self.events[:number]):
            if cause.name == event.name or cause.time <= since + SKEW:
                return
            if cause.name not in seen:
                seen.add(cause.name)
                yield cause


@dataclass(frozen=True)
class Lesson:
    """What was learned, and from how many events in how many flows."""

    learned: tuple[Learned, ...] = ()
    events: int = 0
    flows: int = 0


def learn(
    sightings: Iterable[Sighting], progress: Progress, letters: Collection[str] = ()
) -> Lesson:
    """`letters`: topics of dead letters and retries; what lies there is no step."""
    flows = _flows(sightings, letters, 1 + progress.most_groups())
    seen = [event for flow in flows for event in flow.events]
    course = _Course(progress, progress.trailing(seen))
    found = _cases(flows, course)
    standing = {step: cases for step, cases in found.items() if not cases.refuted}
    _add_inverted(flows, standing)
    standing = {step: cases for step, cases in standing.items() if not cases.refuted}
    between = _Between(flows[:FEW_FLOWS], standing, course)
    told = {s: standing[s] for s in between.own() if standing[s].fitting >= TOLD_FROM}
    learned = [_learned(step, told, between.others_of(step)) for step in sorted(told)]
    return Lesson(tuple(learned), len(seen), len(flows))


def _flows(sightings: Iterable[Sighting], letters: Collection[str], each: int) -> list[Flow]:
    """The one with the newest event first: so many that two of their events, with `each` group,
    are not held against each other too often. Half of them are some in which something waited, if
    there are: no others can be for a group."""
    newest = sorted(
        (
            (max(one.time for one in some), flow, some)
            for flow, some in by_flow(sightings).items()
            if 1 < len(some) <= MOST_OF_A_FLOW
        ),
        key=lambda one: one[:2],
        reverse=True,
    )
    waited, pairs = [_waited(some) for _, _, some in newest], 0
    taken: set[int] = set()
    for wanted, most in ((True, MOST_PAIRS // 2), (False, MOST_PAIRS), (True, MOST_PAIRS)):
        for number, (_, _, some) in enumerate(newest):
            if waited[number] == wanted and number not in taken:
                more = each * len(some) * (len(some) - 1) // 2
                if pairs + more > most:
                    break
                pairs += more
                taken.add(number)
    return [_flow(newest[number][2], letters) for number in sorted(taken)]


def _flow(some: Iterable[Sighting], letters: Collection[str]) -> Flow:
    kept: dict[object, Sighting] = {}
    put_off = []
    for event in sorted(some, key=ORDER):
        if event.topic in letters:
            put_off.append(event.time)
        elif event.name:
            of = event[:5] if event.id is None else (event.name, event.id)
            kept.setdefault(of, event)
    return Flow(list(kept.values()), put_off)


def _waited(events: Iterable[Sighting]) -> bool:
    times = sorted(one.time for one in events)
    return any(later - earlier >= LATE - SKEW for earlier, later in pairwise(times))


def _in_order(events: Iterable[Sighting]) -> list[Sighting]:
    kept: dict[object, Sighting] = {}
    for event in sorted(events, key=ORDER):
        of = event[:5] if event.id is None else (event.name, event.id)
        kept.setdefault(of, event)
    return list(kept.values())


class _Course:
    """Who took an event, and when; each is asked for once."""

    def __init__(self, progress: Progress, trailing: Mapping[tuple[str, str], int]) -> None:
        self._progress, self._trailing = progress, trailing
        self._known: dict[Sighting, list[Taking]] = {}

    def of(self, event: Sighting) -> list[Taking]:
        found = self._known.get(event)
        if found is None:
            found = self._known[event] = self._progress.takings(event, self._trailing)
        return found


def _said(cause: Sighting, taking: Taking, came: int) -> Verdict:
    if came < taking.earliest - SKEW:
        return "against"
    if taking.latest is None:
        return "undecided"
    if came > taking.latest + SETTLE:
        return "against"
    return "for" if taking.earliest - cause.time >= LATE else "undecided"


def _cases(flows: Iterable[Flow], course: _Course) -> dict[Step, Cases]:
    """Every group with every two names."""
    found: dict[Step, Cases] = {}
    for flow in flows:
        for number, event in enumerate(flow.events):
            for cause in flow.before(number):
                for taking in course.of(cause):
                    step = Step(cause.source, taking.group, cause.name, event.name)
                    cases = found.get(step)
                    if cases is None:
                        cases = found[step] = Cases()
                    _count(cases, cause, taking, _said(cause, taking, event.time))
    return found


def _count(cases: Cases, cause: Sighting, taking: Taking, said: Verdict) -> None:
    if said == "undecided":
        cases.undecided += 1
    elif said == "against":
        cases.against += 1
    else:
        cases.cases_for += 1
        minute = (taking.latest or 0) // (60 * US_PER_S)
        cases.occasions.add((cause.topic_id, cause.partition, minute))


def _add_inverted(flows: Iterable[Flow], standing: Mapping[Step, Cases]) -> None:
    """What comes before an event does not come of it."""
    steps = {names: list(some) for names, some in groupby(sorted(standing, key=_names), key=_names)}
    for flow in flows:
        first: dict[str, Sighting] = {}
        for event in flow.events:
            first.setdefault(event.name, event)
        for (consumes, emits), some in steps.items():
            cause, came = first.get(consumes), first.get(emits)
            if cause is not None and came is not None and cause.time - came.time > SKEW:
                for step in some:
                    if step.source == cause.source:
                        standing[step].against += 1


def _names(step: Step) -> tuple[str, str]:
    return step.consumes, step.emits


class _Between:
    """Which of the steps that fit lie nearer than others to what came."""

    def __init__(
        self, flows: Iterable[Flow], standing: Mapping[Step, Cases], course: _Course
    ) -> None:
        self._standing = standing
        self._fits: Counter[Step] = Counter()
        self._nearest: Counter[Step] = Counter()
        self._both: Counter[tuple[Step, Step]] = Counter()
        """Of a nearer step and one further, how often both fit."""
        emitted = {step.emits for step in standing}
        for flow in flows:
            for number, event in enumerate(flow.events):
                if event.name in emitted:
                    self._see(flow, number, event, course)

    def _see(self, flow: Flow, number: int, event: Sighting, course: _Course) -> None:
        nearer: list[Step] = []
        for cause in flow.before(number):
            here = [
                step
                for taking in course.of(cause)
                if (step := Step(cause.source, taking.group, cause.name, event.name))
                in self._standing
                and _said(cause, taking, event.time) != "against"
            ]
            self._fits.update(here)
            if not nearer:
                self._nearest.update(here)
            self._both.update((near, far) for near in nearer for far in here)
            nearer += here

    def own(self) -> set[Step]:
        """Those that explain something that nothing nearer does, and are needed to explain it."""
        own = {one for one in self._fits if self._nearest[one] >= ELSEWHERE * self._fits[one]}
        unneeded = {
            near
            for (near, far), count in self._both.items()
            if far in own
            and self._standing[near].cases_for == 0
            and count >= NEARLY_ALL * self._fits[near]
        }
        return own - unneeded

    def others_of(self, step: Step) -> tuple[str, ...]:
        """Other events that the same group takes, and of which as much may come as of this one."""
        found: set[str] = set()
        for pair, count in self._both.items():
            if step in pair and count >= HALF * self._fits[step]:
                other = pair[0] if pair[1] == step else pair[1]
                if other[:2] == step[:2]:
                    found.add(other.consumes)
        return tuple(sorted(found))


def _learned(step: Step, told: Mapping[Step, Cases], or_of: tuple[str, ...]) -> Learned:
    cases = told[step]
    others = tuple(
        sorted(
            one.group
            for one in told
            if one.source == step.source and _names(one) == _names(step) and one != step
        )
    )
    sure = cases.likely() and not others and not or_of
    confidence: Confidence = "likely" if sure else "possible"
    return Learned(
        *step, confidence, cases.cases_for, cases.against, cases.undecided, others, or_of
    )
