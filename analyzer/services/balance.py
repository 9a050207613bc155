"""What a step took in against what it brought out: expected against actual. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from analyzer.rules.services import Service
from analyzer.services.progress import Progress
from analyzer.services.sighting import Sighting
from analyzer.sight import Sight
from analyzer.why.case import SETTLE
from collector.times import US_PER_S

MINUTE = 60 * US_PER_S


@dataclass(slots=True)
class Balance:
    """Each event that is to be taken in is one of these, and only one."""

    answered: int = 0
    """Something that the service brings out is in its flow, and not before it."""
    waiting: int = 0
    """Not answered, and not committed as far as was seen."""
    in_work: int = 0
    """Committed, and not answered: but it is not settled yet that nothing comes."""
    put_away: int = 0
    """Committed, not answered, and there is a dead letter or a retry of its flow since."""
    unaccounted: int = 0
    """Committed and settled, and nothing came out."""
    unknown: int = 0
    """Not answered, and what became of it cannot be told."""

    @property
    def came(self) -> int:
        return self.waiting + self.consumed + self.unknown

    @property
    def consumed(self) -> int:
        """Committed, or answered already, which is before it is committed."""
        return self.answered + self.in_work + self.put_away + self.unaccounted

    def add(self, word: str) -> None:
        setattr(self, word, getattr(self, word) + 1)


@dataclass(frozen=True)
class Balances:
    total: Balance
    minutes: Mapping[int, Balance]
    """By the minute (µs) in which the events that are taken in happened."""


@dataclass(frozen=True)
class Told:
    """All that a balance is made of: events, and how far groups and the tap had come."""

    sightings: Sequence[Sighting]
    progress: Progress
    sight: Sight
    first: int = 0
    """Those before this one are not counted, and may be answers."""

    letters: Collection[str] = ()
    """Topics of dead letters and retries: what lies there is a copy, and neither taken in anew nor
    an answer."""

    @cached_property
    def named(self) -> Mapping[str, Sequence[Sighting]]:
        return self._by_name(self.sightings)

    @cached_property
    def counted(self) -> Mapping[str, Sequence[Sighting]]:
        return self._by_name(self.sightings[self.first :])

    @cached_property
    def put_away(self) -> Mapping[str, int]:
        """By flow: when the last dead letter or retry came."""
        return _last(one for one in self.sightings if one.topic in self.letters)

    def _by_name(self, sightings: Iterable[Sighting]) -> dict[str, list[Sighting]]:
        found: dict[str, list[Sighting]] = {}
        for one in sightings:
            if one.topic not in self.letters:
                found.setdefault(one.name, []).append(one)
        return found


def balance(service: Service, told: Told, since: int) -> Balances:
    """Of the events that happened since then."""
    last = _last(one for name in set(service.emits) for one in told.named.get(name, ()))
    total, minutes = Balance(), dict[int, Balance]()
    for name in set(service.consumes):
        for event in told.counted.get(name, ()):
            if event.time >= since and service.reads(event.source):
                word = _became(event, service, last, told)
                total.add(word)
                minutes.setdefault(event.time // MINUTE * MINUTE, Balance()).add(word)
    return Balances(total, dict(sorted(minutes.items())))


def _last(sightings: Iterable[Sighting]) -> dict[str, int]:
    """By flow: when the last of these came."""
    found: dict[str, int] = {}
    for event in sightings:
        for flow in event.flows:
            found[flow] = max(event.time, found.get(flow, event.time))
    return found


def _became(event: Sighting, service: Service, last: Mapping[str, int], told: Told) -> str:
    least = event.time - told.sight.skew(event.source, event.source)
    if any(last.get(flow, least - 1) >= least for flow in event.flows):
        return "answered"
    progress = told.progress
    passed = [by for one in service.groups if (by := progress.passed(one, event)) is not None]
    if not passed:
        unknown = [one for one in service.groups if progress.unknown(one, event)]
        there = progress.groups_on(event).keys() & service.groups
        return "waiting" if there.difference(unknown) or not unknown else "unknown"
    if not service.emits:
        return "answered"  # nothing has to come out of it
    if any(told.put_away.get(flow, least - 1) >= least for flow in event.flows):
        return "put_away"
    return _unanswered(event, frozenset(service.emits), min(passed) + SETTLE, told.sight)


def _unanswered(event: Sighting, emits: frozenset[str], settled: int, sight: Sight) -> str:
    if sight.complete_to(emits) <= settled:
        return "in_work"
    hidden = (
        not event.flows
        or sight.left_out(emits, event.flows) is not None
        or sight.gap(emits, event.time, settled) is not None
    )
    return "unknown" if hidden else "unaccounted"
