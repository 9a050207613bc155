"""`once: A`: exactly one A by the flow's end; with `after: B`, in the time after each B.

`within` without `after` counts from the flow's begin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.episode import (
    Episode,
    follows,
    is_over,
    skew_between,
    surely_follows,
    waits_no_more,
)
from analyzer.instance import Instance
from analyzer.rules.rule import Check, Due, Names, Options, Rule, Wake, activations
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.times import format_duration, format_time


@dataclass(frozen=True, slots=True)
class Once(Rule):
    options: Options
    counted: Names
    trigger: Names
    """Empty: one instance a flow, from its begin on."""
    within: int | None

    def names(self) -> frozenset[str]:
        return frozenset((*self.counted, *self.trigger, *self.options.unless))

    def awaits(self) -> frozenset[str]:
        return frozenset((*self.counted, *self.options.unless))

    def wakes(self) -> Sequence[Wake]:
        # A second one; or the trigger (for the flow: its begin) read after two.
        return Wake(self.counted, self.counted), Wake(self.trigger, self.counted)

    def waits_for_end(self) -> bool:
        return self.within is None

    def dues(self) -> Sequence[Due]:
        return () if self.within is None else (Due(self.trigger, self.within),)

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        if self.trigger:
            return [
                self._after(cause, episode, sight)
                for cause in activations(self, episode, self.trigger)
            ]
        if episode.begin is None:
            return ()
        deadline = episode.end if self.within is None else episode.begin.time + self.within
        counted = activations(self, episode, self.counted)
        return [self._counted(None, counted, counted, deadline, episode, sight)]

    def check(self) -> Check:
        fine = self.fine
        if self.trigger or self.within is not None:
            return fine

        def check(episode: Episode, sight: Sight) -> bool:
            counted, end = activations(self, episode, self.counted), episode.end
            if len(counted) == 1 and end is not None and counted[0].time <= end:
                return True
            return fine(episode, sight)

        return check

    def _after(self, cause: Event, episode: Episode, sight: Sight) -> Instance:
        if self.within is None and waits_no_more(episode, cause):
            why = "the flow had ended: it waits for nothing new"
            return Instance(self.options.name, "void", cause, text=why)
        deadline = episode.end if self.within is None else cause.time + self.within
        counts, sure = [], []
        for event in episode.of(self.counted, copies=self.options.copies):
            skew = skew_between(self.options.skew, sight, event, cause)
            if follows(event, cause, skew) and self.options.fits(event, cause):
                counts.append(event)
                if surely_follows(event, cause, skew):
                    sure.append(event)
        return self._counted(cause, counts, sure, deadline, episode, sight)

    def _counted(
        self,
        cause: Event | None,
        counts: Sequence[Event],
        sure: Sequence[Event],
        deadline: int | None,
        episode: Episode,
        sight: Sight,
    ) -> Instance:
        """`counts` are those that may count (one of them is enough), `sure` those that must."""
        name = self.options.name
        if self.within is not None and deadline is not None:
            # Past a deadline of its own an event can only be late, and never one too many.
            sure = [e for e in sure if e.time <= deadline]
            counts = [e for e in counts if e.time <= deadline] or counts
        excuse = self.excuse(episode, sight, cause, deadline)
        second = sure[1] if len(sure) > 1 else None
        if excuse is not None and (second is None or ORDER(excuse) <= ORDER(second)):
            why = f"excused by {excuse.name}"
            return Instance(name, "void", cause, deadline=deadline, evidence=(excuse,), text=why)
        if second is not None:
            return self._repeated(cause, second, sure, deadline, sight)
        if counts and (deadline is None or counts[0].time <= deadline):
            over = self._over(deadline, episode, sight)
            state = "met" if over else "pending"
            return Instance(name, state, cause, deadline=deadline, evidence=tuple(counts))  # type: ignore[arg-type]  # one of two states
        return self._absent(cause, counts, deadline, episode, sight)

    def _over(self, deadline: int | None, episode: Episode, sight: Sight) -> bool:
        if self.within is None:
            return is_over(episode, sight)
        due = (deadline or 0) + self.options.grace_under(sight)
        return sight.complete_to(self.awaits()) > due

    def _repeated(
        self,
        cause: Event | None,
        second: Event,
        all: Sequence[Event],
        deadline: int | None,
        sight: Sight,
    ) -> Instance:
        name, unless = self.options.name, frozenset(self.options.unless)
        text = (
            f"{second.name} came again at {format_time(second.time)}, "
            f"{format_duration(second.time - all[0].time)} after the first; expected once"
        )
        due = second.time + self.options.grace_under(sight)
        if unless and sight.complete_to(unless) <= due:
            return Instance(name, "pending", cause, deadline=deadline, due=due, text=text)
        return Instance(
            name, "violated", cause, "repeated", second.time, deadline, None, (), tuple(all), text
        )

    def _absent(
        self,
        cause: Event | None,
        came: Sequence[Event],
        deadline: int | None,
        episode: Episode,
        sight: Sight,
    ) -> Instance:
        name, lacks = self.options.name, (" or ".join(self.counted),)
        text = f"expected {lacks[0]} once"
        due = None if deadline is None else deadline + self.options.grace_under(sight)
        if due is None or deadline is None or sight.complete_to(self.awaits()) <= due:
            return Instance(
                name, "pending", cause, deadline=deadline, due=due, lacks=lacks, text=text
            )
        if came:
            text = f"{text}; it came {format_duration(came[0].time - deadline)} too late"
            return Instance(
                name, "late", cause, "late", deadline, deadline, None, lacks, tuple(came), text
            )
        start = cause or episode.begin
        why = start and sight.unseen(self.awaits(), start, deadline, episode.ids())
        if why is not None:
            text = f"{text}: unobserved, {why}"
            return Instance(name, "unknown", cause, deadline=deadline, lacks=lacks, text=text)
        text = f"{text}; none came by {format_time(deadline)}"
        return Instance(
            name, "missing", cause, "missing", deadline, deadline, None, lacks, (), text
        )
