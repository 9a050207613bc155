"""`after: A` `next: [B, C]`: the flow's next event after A, whichever it is, is one of these."""

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.absence import Absence, until_the_last
from analyzer.episode import Episode, follows, skew_between, surely_follows, waits_no_more
from analyzer.instance import Instance
from analyzer.rules.rule import EVERY, Due, Names, Options, Rule, Wake, activations
from analyzer.sight import ANY, Sight
from collector.event import Event
from collector.times import format_time


@dataclass(frozen=True, slots=True)
class AfterNext(Rule):
    options: Options
    trigger: Names
    next: Names
    within: int | None

    def names(self) -> frozenset[str]:
        return frozenset((*self.trigger, *self.next, *self.options.unless))

    def every_name(self) -> bool:
        return True

    def awaits(self) -> frozenset[str]:
        """An event of any name may have come between."""
        return ANY

    def wakes(self) -> Sequence[Wake]:
        return ()

    def dues(self) -> Sequence[Due]:
        found = [Due(EVERY, 0)]
        return found if self.within is None else [*found, Due(self.trigger, self.within)]

    def waits_for_end(self) -> bool:
        return self.within is None

    def waited(self, episode: Episode, instance: Instance) -> int | None:
        return until_the_last(instance.activation, instance.evidence)

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        events = episode.in_order(copies=self.options.copies)
        return [
            self._instance(cause, events, episode, sight)
            for cause in activations(self, episode, self.trigger)
        ]

    def _instance(
        self, cause: Event, events: Sequence[Event], episode: Episode, sight: Sight
    ) -> Instance:
        name, options = self.options.name, self.options
        right, wrong, excuse = self._next(cause, events, episode, sight)
        deadline = episode.end if self.within is None else cause.time + self.within
        in_time = right is not None and (deadline is None or right.time <= deadline)
        if excuse and not in_time and (deadline is None or excuse.time <= deadline):
            return self.excused(excuse, cause, deadline)
        if (right or not wrong) and self.within is None and waits_no_more(episode, cause):
            return self.ended(cause)
        if right is not None and in_time:
            return Instance(name, "met", cause, deadline=deadline, evidence=(right,))
        wanted = " or ".join(self.next)
        text = f"expected {wanted} next after {cause.name} at {format_time(cause.time)}"
        if right is None and wrong is not None:
            text = f"{text}; {wrong.name} came at {format_time(wrong.time)}"
            due = wrong.time + options.patience_under(sight)
            if deadline is not None:
                # Past D nothing came in time: what is missing does not become pending again.
                due = min(due, deadline + options.grace_under(sight))
            if sight.complete_to(ANY) <= due:
                return Instance(name, "pending", cause, deadline=deadline, due=due, text=text)
            unseen = episode.unseen_since(sight, ANY, cause.time, wrong)
            if unseen is not None:
                text = f"{text}: unobserved, {unseen}"
                return Instance(name, "unknown", cause, deadline=deadline, text=text)
            return Instance(
                name, "violated", cause, "unexpected_next", wrong.time, deadline, None, (),
                (wrong,), text,
            )  # fmt: skip
        return Absence(
            rule=self, cause=cause, since=cause, deadline=deadline, lacks=(wanted,), text=text,
            came=() if right is None else (right,), last=right, none="nothing",
        ).judged(episode, sight)  # fmt: skip

    def _next(
        self, cause: Event, events: Sequence[Event], episode: Episode, sight: Sight
    ) -> tuple[Event | None, Event | None, Event | None]:
        """What is right, wrong, or excuses among the events that may be the next one.

        Those that are tied may each be it: a right one is enough, and a wrong one proves nothing
        unless it surely came first.
        """
        options = self.options
        near, surely = self._near(cause, events, sight)
        maybe = [
            e
            for e in near
            if not any(surely_follows(e, other, self._skew(e, other, sight)) for other in surely)
        ]
        right = excuse = None
        for event in maybe:
            names = episode.called(event)
            if any(name in self.next for name in names) and options.fits(event, cause):
                right = right or event
            elif any(name in options.unless for name in names) and options.excuses(event, cause):
                excuse = excuse or event
        if right is not None:
            return right, None, excuse
        wrong = next((e for e in maybe if any(e is one for one in surely)), None)
        return None, wrong, excuse

    def _near(
        self, cause: Event, events: Sequence[Event], sight: Sight
    ) -> tuple[list[Event], list[Event]]:
        """The events among which the next one is, and those of them that surely follow."""
        near: list[Event] = []
        surely: list[Event] = []
        widest = sight.one_skew if self.options.skew is None else self.options.skew
        first = 0 if widest is None else bisect_left(events, cause.time - widest, key=_time)
        for event in itertools.islice(events, first, None):
            if surely and event.time > surely[0].time + self._skew(event, surely[0], sight):
                break
            skew = self._skew(event, cause, sight)
            if follows(event, cause, skew):
                near.append(event)
                if surely_follows(event, cause, skew):
                    surely.append(event)
        return near, surely

    def _skew(self, one: Event, other: Event, sight: Sight) -> int:
        return skew_between(self.options.skew, sight, one, other)


def _time(event: Event) -> int:
    return event.time
