"""`before: B` `require: A`: every B has an A before it, at most `within` before."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.episode import Episode, follows, since, skew_between
from analyzer.instance import Instance
from analyzer.rules.rule import Due, Names, Options, Rule, Wake, activations
from analyzer.sight import Sight
from analyzer.span import Condition, Span
from collector.event import Event
from collector.times import FOREVER, NEVER, format_duration, format_time


@dataclass(frozen=True, slots=True)
class BeforeRequire(Rule):
    options: Options
    trigger: Names
    """What must be prepared."""
    require: Names
    within: int | None

    def names(self) -> frozenset[str]:
        return frozenset((*self.trigger, *self.require))

    def awaits(self) -> frozenset[str]:
        """An earlier one that was not read yet takes the offence back."""
        return frozenset(self.require)

    def wakes(self) -> Sequence[Wake]:
        return ()

    def dues(self) -> Sequence[Due]:
        return (Due(self.trigger, 0),)

    def plainly(
        self, present: frozenset[str], end: str, skew: int
    ) -> Sequence[Span | Condition] | None:
        found: list[Span | Condition] = []
        for cause in sorted(present.intersection(self.trigger)):
            asked = self.met(cause, present, skew)
            if asked is None:
                return None
            found += asked
        return found

    def met(
        self, cause: str, present: frozenset[str], skew: int
    ) -> Sequence[Span | Condition] | None:
        options = self.options
        before = sorted(present.intersection(self.require) - {cause})
        if not before or options.where or options.such_that or options.same:
            return None
        high = FOREVER if self.within is None else self.within
        skew = skew if options.skew is None else options.skew
        return [Span(before[0], cause, skew, high, ties=True)]

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        options = self.options
        events = episode.of(self.require, copies=options.copies)
        candidates = options.likeness.events_for(events)
        return [
            self._instance(cause, candidates(cause), episode, sight)
            for cause in activations(self, episode, self.trigger)
        ]

    def _instance(
        self, cause: Event, events: Sequence[Event], episode: Episode, sight: Sight
    ) -> Instance:
        name, wanted = self.options.name, " or ".join(self.require)
        prepared = self._prepared(cause, events, sight)
        if prepared is not None:
            return Instance(name, "met", cause, evidence=(prepared,))
        due = cause.time + self.options.patience_under(sight)
        before = "" if self.within is None else f" in the {format_duration(self.within)}"
        text = f"{cause.name} at {format_time(cause.time)} needs {wanted}{before} before it"
        if sight.complete_to(self.awaits()) <= due:
            return Instance(name, "pending", cause, due=due, text=text)
        start = None if self.within is None else cause.time - self.within
        why = episode.unseen_since(sight, self.awaits(), start, cause)
        if why is not None:
            return Instance(name, "unknown", cause, text=f"{text}: unobserved, {why}")
        return Instance(
            name, "violated", cause, "unprepared", cause.time, lacks=(wanted,),
            text=f"{text}; there was none",
        )  # fmt: skip

    def _prepared(self, cause: Event, events: Sequence[Event], sight: Sight) -> Event | None:
        latest = cause.time + self.options.skew_under(sight)
        earliest = NEVER if self.within is None else cause.time - self.within
        for event in since(events, earliest):
            if event.time < earliest:
                continue
            if event.time > latest:
                return None
            skew = skew_between(self.options.skew, sight, cause, event)
            if follows(cause, event, skew) and self.options.fits(event, cause):
                return event
        return None
