"""`after: A` `never: B`: no B after an A, for ever, or `within` a time, or `until` a C."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from analyzer.episode import Episode, follows, is_over, since, skew_between, surely_follows
from analyzer.instance import Instance, met_once
from analyzer.offence import Offence
from analyzer.rules.rule import Check, Due, Names, Options, Rule, Wake, activations
from analyzer.sight import Sight
from analyzer.span import Condition, Span
from collector.event import Event
from collector.times import FOREVER, format_duration, format_time

MOST_TOLD = 100
"""Of so many offences after one activation the evidence tells: each of thousands may have those of
all that come after it."""


@dataclass(frozen=True, slots=True)
class AfterNever(Rule):
    options: Options
    trigger: Names
    never: Names
    within: int | None
    until: Names

    def names(self) -> frozenset[str]:
        return frozenset((*self.trigger, *self.never, *self.until, *self.options.unless))

    def awaits(self) -> frozenset[str]:
        """What could still take an offence back, were it there and not read yet."""
        return frozenset((*self.until, *self.options.unless))

    def wakes(self) -> Sequence[Wake]:
        # The forbidden event after the trigger, or the trigger read after it.
        return Wake(self.never, self.trigger), Wake(self.trigger, self.never)

    def dues(self) -> Sequence[Due]:
        return ()

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        options = self.options
        candidates = options.likeness.events_for(episode.of(self.never, copies=options.copies))
        return [
            self._instance(cause, candidates(cause), episode, sight)
            for cause in activations(self, episode, self.trigger)
        ]

    def check(self) -> Check:
        never, copies, fine = self.never, self.options.copies, self.fine
        if self.within is not None:
            return fine
        # To the flow's end, and that has come.
        return lambda episode, sight: not episode.of(never, copies=copies) or fine(episode, sight)

    def plainly(
        self, present: frozenset[str], end: str, skew: int
    ) -> Sequence[Span | Condition] | None:
        causes = present.intersection(self.trigger)
        if causes and self.within is not None:
            return None
        skew = skew if self.options.skew is None else self.options.skew
        # Each that is forbidden lies before the cause, and is no tie.
        return [
            Span(name, cause, skew, FOREVER)
            for cause in sorted(causes)
            for name in sorted(present.intersection(self.never))
        ]

    def _instance(
        self, cause: Event, events: Sequence[Event], episode: Episode, sight: Sight
    ) -> Instance:
        name = self.options.name
        deadline = None if self.within is None else cause.time + self.within
        untils = self._untils(cause, episode, sight)
        offending = (
            event
            for event in self._offending(cause, events, deadline, untils, sight)
            if self.excuse(episode, sight, cause, deadline, event) is None
        )
        offences = list(islice(offending, MOST_TOLD))
        if offences:
            return self._offended(cause, offences, deadline, episode, sight)
        excuse = self.excuse(episode, sight, cause, deadline)
        if excuse is not None:
            return self.excused(excuse, cause, deadline)
        state = met_once(self._over(deadline, untils, episode, sight))
        return Instance(name, state, cause, deadline=deadline)

    def _offended(
        self,
        cause: Event,
        offences: Sequence[Event],
        deadline: int | None,
        episode: Episode,
        sight: Sight,
    ) -> Instance:
        first = offences[0]
        text = (
            f"{first.name} at {format_time(first.time)} must not follow {cause.name}, "
            f"which came {format_duration(first.time - cause.time)} before"
        )
        return Offence(
            rule=self, cause=cause, event=first, since=cause, revoking=self.awaits(),
            finding="forbidden", text=text, deadline=deadline, evidence=offences,
        ).judged(episode, sight)  # fmt: skip

    def _untils(self, cause: Event, episode: Episode, sight: Sight) -> list[Event]:
        """What ends the prohibition, in order."""
        near = self.options.skew_under(sight)
        some = since(episode.of(self.until, copies=self.options.copies), cause.time - near)
        found: list[Event] = []
        for number, event in enumerate(some):
            if event.time > cause.time + near:
                return [*found, *some[number:]]
            if follows(event, cause, skew_between(self.options.skew, sight, event, cause)):
                found.append(event)
        return found

    def _is_free(self, event: Event, untils: Sequence[Event], sight: Sight) -> bool:
        """Whether one of these may have come before it, or is it."""
        near = self.options.skew_under(sight)
        for until in untils:
            if until.time - event.time > near:
                return False
            skew = skew_between(self.options.skew, sight, until, event)
            if not surely_follows(until, event, skew):
                return True
        return False

    def _offending(
        self,
        cause: Event,
        events: Sequence[Event],
        deadline: int | None,
        untils: Sequence[Event],
        sight: Sight,
    ) -> Iterator[Event]:
        """Every forbidden event that is after the cause and before any `until` beyond doubt."""
        options = self.options
        for event in since(events, cause.time - options.skew_under(sight)):
            if deadline is not None and event.time > deadline:
                return
            skew = skew_between(options.skew, sight, event, cause)
            if not surely_follows(event, cause, skew) or not options.fits(event, cause):
                continue
            if not self._is_free(event, untils, sight):
                yield event

    def _over(
        self, deadline: int | None, untils: Sequence[Event], episode: Episode, sight: Sight
    ) -> bool:
        """Nothing was wrong, and the time in which it could be is over."""
        if untils and (deadline is None or untils[0].time <= deadline):
            return True
        if deadline is not None:
            due = deadline + self.options.grace_under(sight)
            return sight.complete_to(frozenset(self.never)) > due
        return is_over(episode, sight)
