"""One alert: the findings of one expectation with the same labels, as they stand."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice, takewhile

import msgspec

from analyzer.finding import Finding
from collector.times import US_PER_S, format_duration

LEAST = 60 * US_PER_S
"""So long a finding stands at least, unless it was never true or a person closed it."""
PENDING, FIRING, RESOLVED = "pending", "firing", "resolved"


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A finding that is open, as far as its alert must know of it."""

    id: str
    flow: str | None
    at: int
    found: int
    """When it was announced, since it last was not open."""
    seq: int
    """The number of that announcement."""
    seen: bool
    """It rests on what was seen, and not on what was not."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a sink is."""

    wait: int
    """`group_wait`: an alert that begins to fire may gather so long."""
    interval: int
    """`group_interval`: between two notifications of one alert."""
    repeat: int
    """`repeat_interval`: what goes on unchanged is told again after this."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How an expectation wants its findings to be told."""

    wait: int = 0
    """`for`: so long they must have stood."""
    keep: int | None = None
    """`keep_firing_for`: so long they stand at most, from when they are heard of; None: as the
    configuration says."""
    about: str | None = None
    runbook: str | None = None
    grouped_by: tuple[str, ...] = ()
    """The labels that it takes from events."""


def fingerprint(type: str, expectation: str, labels: Mapping[str, str]) -> str:
    """The same alert has the same one on every machine and after every restart."""
    told = msgspec.json.encode([type, expectation, sorted(labels.items())])
    return hashlib.sha256(told).hexdigest()[:24]


@dataclass(slots=True)
class Alert:
    """The cache of what the log of findings says of one alert; its findings in the order in which
    they were announced."""

    fingerprint: str
    expectation: str
    type: str
    severity: str
    labels: dict[str, str]
    own_labels: dict[str, str]
    manner: Manner
    keep: int
    standing: dict[str, Standing] = field(default_factory=dict)
    leaving: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    """Findings that were closed so soon that they stand on for a while: until when, and why."""
    flows: dict[str, int] = field(default_factory=dict)
    """Of these findings, and how many each has."""
    seen: int = 0
    """How many of them rest on what was seen."""
    sinks: dict[str, Timing] = field(default_factory=dict)
    """Who is told of it, and how patiently."""
    state: str = RESOLVED
    since: int = 0
    """When it came to this state."""
    began: int = 0
    """When it last came to stand at all."""
    reason: str | None = None
    """Why the last finding went that went."""
    acknowledged: str | None = None
    quiet: str | None = None
    text: str = ""
    """Of the newest finding."""
    written: tuple[int, int] = (0, 0)
    """Of its newest row in the log, the moment and the count."""

    _leaving: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def of(cls, finding: Finding, labels: Mapping[str, str], manner: Manner, keep: int) -> "Alert":
        own, static = dict(finding.labels), {**labels, **finding.labels}
        return cls(
            fingerprint(finding.type, finding.expectation, static),
            finding.expectation,
            finding.type,
            finding.severity,
            static,
            own,
            manner,
            keep if manner.keep is None else manner.keep,
        )

    def fields(self) -> dict[str, str]:
        """What matchers and routes see."""
        return {
            **self.labels,
            "severity": self.severity,
            "expectation": self.expectation,
            "type": self.type,
            "alert": self.fingerprint,
        }

    def state_at(self, moment: int) -> str:
        """The whole of its judgement, of findings none of which has stood too long."""
        if self.newest(moment):
            return FIRING
        return PENDING if self.standing else RESOLVED

    def add(self, one: Standing) -> None:
        self.remove(one.id)
        self.standing[one.id] = one
        self.seen += one.seen
        if one.flow is not None:
            self.flows[one.flow] = self.flows.get(one.flow, 0) + 1

    def leave(self, id: str, moment: int, reason: str | None) -> bool:
        """Whether a finding that was closed at this moment goes at once. Whoever hears of an alert
        at all hears of what was closed when it was found, for its flow had ended: so it stands on
        for a minute. What waits (`for`) is not heard of before it has stood."""
        until = self.standing[id].found + LEAST
        if self.manner.wait or moment >= until:
            return True
        self.leaving[id] = until, reason
        heappush(self._leaving, (until, id))
        return False

    def remove(self, id: str) -> None:
        self.leaving.pop(id, None)
        one = self.standing.pop(id, None)
        if one is None:
            return
        self.seen -= one.seen
        if one.flow is None:
            return
        self.flows[one.flow] -= 1
        if not self.flows[one.flow]:
            del self.flows[one.flow]

    def expire(self, moment: int) -> list[str]:
        """From when they are heard of, findings stand no longer than `keep_firing_for`; those that
        went."""
        most = self.manner.wait + self.keep
        gone = [
            one.id
            for one in takewhile(lambda one: moment >= one.found + most, self.standing.values())
        ]
        for id in gone:
            self.remove(id)
        if gone:
            self.reason = f"it stood for {format_duration(most)}, and nothing closed it"
        while self._leaving and self._leaving[0][0] <= moment:
            until, id = heappop(self._leaving)
            if id in self.leaving and self.leaving[id][0] == until:
                self.reason = self.leaving[id][1]
                self.remove(id)
                gone.append(id)
        return gone

    def judge(self, moment: int) -> None:
        """What it is now, of findings none of which has stood too long."""
        state = self.state_at(moment)
        if self.state == RESOLVED and state != RESOLVED:
            self.began = moment
        if state != self.state:
            self.since = moment
        self.state = state

    def mature(self, moment: int) -> int:
        """How many findings have stood long enough that people are to hear of them."""
        return len(self.standing) - sum(1 for _ in self._young(moment))

    def newest(self, moment: int) -> int:
        """The number of the newest finding that has stood long enough; 0: there is none."""
        young = sum(1 for _ in self._young(moment))
        old = next(islice(reversed(self.standing.values()), young, None), None)
        return 0 if old is None else old.seq

    def _young(self, moment: int) -> Iterator[Standing]:
        """A clock that was set back makes nothing young again."""
        if self.manner.wait:
            yield from takewhile(
                lambda one: one.found <= moment < one.found + self.manner.wait,
                reversed(self.standing.values()),
            )

    def oldest(self) -> Standing | None:
        """The finding that is wrong since longest."""
        return min(self.standing.values(), key=lambda one: (one.at, one.seq), default=None)
