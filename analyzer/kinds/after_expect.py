"""`after: A` `expect: B`: every A is followed by a B, in time."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from analyzer.absence import Absence, limit, until_the_last
from analyzer.episode import Episode, follows, since, skew_between, waits_no_more
from analyzer.guards import Guard
from analyzer.instance import Instance
from analyzer.likeness import Candidates
from analyzer.origins import ByName
from analyzer.rules.rule import Check, Due, Names, Options, Rule, Wake, activations
from analyzer.sight import Sight
from analyzer.span import Condition, Span
from collector.event import ORDER, Event
from collector.times import FOREVER, format_time


@dataclass(slots=True)
class _Awaiting:
    """One activation on its way to a state: what came for each thing that it needs."""

    cause: Event
    deadline: int | None
    excuse: Event | None
    came: list[Event | None] = field(default_factory=list)

    def in_time(self) -> bool:
        deadline = self.deadline
        for event in self.came:
            if event is None or (deadline is not None and event.time > deadline):
                return False
        return True

    def overdue(self, moment: int) -> bool:
        return self.deadline is not None and moment > self.deadline

    def excused(self) -> bool:
        """An `unless` event came before what would have decided; one that is both meets."""
        if self.excuse is None:
            return False
        if not self.in_time():
            return True
        decided = max((e for e in self.came if e is not None), key=ORDER)
        return ORDER(self.excuse) < ORDER(decided)


@dataclass(frozen=True, slots=True)
class AfterExpect(Rule):
    """`needs` holds one entry for `expect: [B, C]` (any of them), several for `{all: [B, C]}`."""

    options: Options
    trigger: Names
    needs: tuple[Names, ...]
    within: int | None
    first_only: bool = False
    """Only the episode's begin activates it: the flow's own `unfinished`."""

    def names(self) -> frozenset[str]:
        return frozenset(self.trigger).union(self.options.unless, *self.needs)

    def awaits(self) -> frozenset[str]:
        return frozenset(self.options.unless).union(*self.needs)

    def wakes(self) -> Sequence[Wake]:
        return ()

    def waits_for_end(self) -> bool:
        return self.within is None

    def dues(self) -> Sequence[Due]:
        return () if self.within is None else (Due(self.trigger, self.within),)

    def waited(self, episode: Episode, instance: Instance) -> int | None:
        return until_the_last(instance.activation, instance.evidence)

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        if self.first_only:
            causes: Sequence[Event] = [episode.begin] if episode.begin else []
        else:
            causes = activations(self, episode, self.trigger)
        if not causes:
            return ()
        found: list[Instance] = []
        awaiting: list[_Awaiting] = []
        plain, candidates = self._plain(), self._candidates(episode)
        for cause in causes:
            if plain and (came := self._plainly_came(cause, candidates, sight)) is not None:
                found.append(self._met(cause, cause.time + (self.within or 0), tuple(came)))
                continue
            if self.within is None and waits_no_more(episode, cause):
                found.append(self.ended(cause))
                continue
            deadline = episode.end if self.within is None else cause.time + self.within
            excuse = self.excuse(episode, sight, cause, deadline)
            awaiting.append(_Awaiting(cause, deadline, excuse))
        if not awaiting:
            return found
        if self.options.match == "each":
            self._hand_out_each(episode, sight, awaiting)
        else:
            self._hand_out_any(candidates, sight, awaiting)
        found.extend(self._instance(one, episode, sight) for one in awaiting)
        return found

    def check(self) -> Check:
        fine, came = self.fine, self._plainly_came
        if not self._plain() or self.first_only:
            return fine
        options, trigger, where = self.options, self.trigger, self.options.where
        copies = options.copies
        alone = trigger[0] if len(trigger) == 1 else None

        def check(episode: Episode, sight: Sight) -> bool:
            if alone is None:
                causes = episode.of(trigger, copies=copies)
            else:
                causes = episode.by_name(copies=copies).get(alone, ())
            candidates = self._candidates(episode) if causes else ()
            for cause in causes:
                if (where is None or where(cause, None)) and not came(cause, candidates, sight):
                    return fine(episode, sight)
            return True

        return check

    def plainly(
        self, present: frozenset[str], end: str, skew: int
    ) -> Sequence[Span | Condition] | None:
        causes = self._causes_told(present)
        if causes is None:
            return None
        found: list[Span | Condition] = []
        for cause in causes:
            asked = self._served(cause, present, end, skew)
            if asked is None:
                return None
            found += asked
        return found

    def met(
        self, cause: str, present: frozenset[str], skew: int
    ) -> Sequence[Span | Condition] | None:
        if self.within is None or self._causes_told(present) is None:
            return None
        return self._served(cause, present, cause, skew)

    def _causes_told(self, present: frozenset[str]) -> list[str] | None:
        """Its activations, where none takes from another what it awaits and nothing excuses it."""
        options = self.options
        causes = [name for name in self.trigger if name in present]
        alone = len(causes) < 2 or (options.match == "any" and not self.first_only)
        return causes if alone and present.isdisjoint(options.unless) else None

    def _served(
        self, cause: str, present: frozenset[str], end: str, skew: int
    ) -> Sequence[Span | Condition] | None:
        where = self.options.where
        needs = [[name for name in dict.fromkeys(names) if name in present and name != cause]
                 for names in self.needs]  # fmt: skip
        if all(needs):
            skew = skew if self.options.skew is None else self.options.skew
            ways = [[self._way(cause, name, end, skew) for name in names] for names in needs]
            return _asked(where, cause, ways)
        return None if where is None else [_unless_meant(where, cause)]

    def _way(self, cause: str, event: str, end: str, skew: int) -> list[Span | Condition]:
        """What must hold that this event meets that cause."""
        options = self.options
        fits = options.fitting(event, cause)
        if self.within is not None:
            return [Span(cause, event, skew, self.within, ties=True), *fits]
        until = [Span(cause, end, 0, FOREVER), Span(event, end, -1, FOREVER)]
        spans = [Span(cause, event, skew, FOREVER, ties=True)]
        return [*spans, *(one for one in until if one.earlier != end), *fits]

    def _plain(self) -> bool:
        """Nothing excuses an activation, and none takes from another what it awaits."""
        options = self.options
        return self.within is not None and options.match == "any" and not options.unless

    def _candidates(self, episode: Episode) -> list[Candidates]:
        """For each thing awaited, which events may be it."""
        options = self.options
        events_for = options.likeness.events_for
        return [events_for(episode.of(names, copies=options.copies)) for names in self.needs]

    def _plainly_came(
        self, cause: Event, candidates: Sequence[Candidates], sight: Sight
    ) -> list[Event] | None:
        """What nearly all come to: of each thing awaited the first that fits, in time.

        A short cut of what follows in `judge`, and None wherever that has more to say.
        """
        options, time = self.options, cause.time
        deadline = time + (self.within or 0)
        skew = sight.one_skew if options.skew is None else options.skew
        if skew is None:
            return None
        fits = options.fits if options.such_that is not None or options.same else None
        came = []
        for events in candidates:
            for event in since(events(cause), time - skew):
                apart = event.time - time
                if event.time > deadline:
                    return None
                if (apart > skew or follows(event, cause, skew)) and (
                    fits is None or fits(event, cause)
                ):
                    break
            else:
                return None
            came.append(event)
        return came

    def _hand_out_any(
        self, candidates: Sequence[Candidates], sight: Sight, awaiting: list[_Awaiting]
    ) -> None:
        """One awaited event serves every activation before it: each takes the first that fits."""
        for events in candidates:
            for one in awaiting:
                one.came.append(self._first_serving(events(one.cause), one, sight))

    def _first_serving(self, events: Sequence[Event], one: _Awaiting, sight: Sight) -> Event | None:
        for event in since(events, one.cause.time - self.options.skew_under(sight)):
            if self._may_serve(event, one, sight):
                return event
        return None

    def _hand_out_each(self, episode: Episode, sight: Sight, awaiting: list[_Awaiting]) -> None:
        """One awaited event serves one activation: the earliest in time, else one overdue."""
        for one in awaiting:
            one.came = [None] * len(self.needs)
        for need, names in enumerate(self.needs):
            free_for = self.options.likeness.causes_for(list(awaiting), _cause)
            for event in episode.of(names, copies=self.options.copies):
                free = free_for(event)
                number = self._whom(event, free, sight)
                if number is not None:
                    free.pop(number).came[need] = event

    def _whom(self, event: Event, free: Sequence[_Awaiting], sight: Sight) -> int | None:
        """Which of these it serves, who are in order, and so are their deadlines."""
        latest = event.time + self.options.skew_under(sight)
        in_time = bisect_left(free, event.time, key=_deadline)
        for numbers in (range(in_time, len(free)), range(in_time)):
            for number in numbers:
                one = free[number]
                if one.cause.time > latest:
                    break
                if not _void_before(one, event) and self._may_serve(event, one, sight):
                    return number
        return None

    def _may_serve(self, event: Event, one: _Awaiting, sight: Sight) -> bool:
        skew = skew_between(self.options.skew, sight, event, one.cause)
        return follows(event, one.cause, skew) and self.options.fits(event, one.cause)

    def _instance(self, one: _Awaiting, episode: Episode, sight: Sight) -> Instance:
        cause, deadline = one.cause, one.deadline
        if one.excused() and one.excuse is not None:
            return self.excused(one.excuse, cause)
        came = tuple(e for e in one.came if e is not None)
        if one.in_time():
            return self._met(cause, deadline, came)
        lacks = self._lacks(one)
        absent = any(e is None for e in one.came)
        return Absence(
            rule=self, cause=cause, since=cause, deadline=deadline, lacks=lacks,
            hidden=frozenset(name for names in self._lacking(one) for name in names),
            text=self._expected(one, lacks), evidence=came, came=came,
            last=None if absent else max(came, key=ORDER),
        ).judged(episode, sight)  # fmt: skip

    def _lacks(self, one: _Awaiting) -> tuple[str, ...]:
        """What is not there in time: of `all` each name, else the alternatives."""
        return tuple(" or ".join(names) for names in self._lacking(one))

    def _lacking(self, one: _Awaiting) -> list[Names]:
        return [
            names
            for names, event in zip(self.needs, one.came, strict=True)
            if event is None or one.overdue(event.time)
        ]

    def _expected(self, one: _Awaiting, lacks: tuple[str, ...]) -> str:
        cause = f"{one.cause.name} at {format_time(one.cause.time)}"
        return f"expected {' and '.join(lacks)} {limit(self.within)} of {cause}"

    def _met(self, cause: Event, deadline: int | None, came: tuple[Event, ...]) -> Instance:
        return Instance(self.options.name, "met", cause, deadline=deadline, evidence=came)


def _asked(
    where: Guard | None, cause: str, ways: list[list[list[Span | Condition]]]
) -> Sequence[Span | Condition]:
    """Of each thing that is needed one way is enough."""
    if where is None and all(len(some) == 1 for some in ways):
        return [one for some in ways for one in some[0]]
    meant = None if where is None else where.named(cause)
    called = [[[_held(one) for one in way] for way in some] for some in ways]

    def holds(at: ByName) -> bool:
        if meant is not None and meant(at) is not True:
            return True
        return all(any(all(one(at) for one in way) for way in some) for some in called)

    return [holds]


def _held(one: Span | Condition) -> Condition:
    return one.holds if isinstance(one, Span) else one


def _unless_meant(where: Guard, cause: str) -> Condition:
    meant = where.named(cause)
    return lambda at: meant(at) is not True


_cause = attrgetter("cause")


def _deadline(one: _Awaiting) -> int:
    return FOREVER if one.deadline is None else one.deadline


def _void_before(one: _Awaiting, event: Event) -> bool:
    return one.excuse is not None and ORDER(one.excuse) < ORDER(event)
