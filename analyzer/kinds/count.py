"""`once: A`, `at_most: {A: n}`, `at_least: {A: n}`, `exactly: {A: n}`: how many by the flow's end.

With `after: B` in the time after each B; `within` without `after` counts from the flow's begin;
with `by: path` for each value that occurs. `once` is `exactly` one, in other words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.absence import Absence, until_the_last
from analyzer.episode import (
    Episode,
    follows,
    is_over,
    since,
    skew_between,
    surely_follows,
    waits_no_more,
)
from analyzer.guards import MISSING, Guard
from analyzer.instance import Instance, State
from analyzer.offence import Offence
from analyzer.rules.rule import Check, Due, Names, Options, Reads, Rule, Wake, activations
from analyzer.sight import Sight
from analyzer.span import Condition, Span
from analyzer.values import canonical
from collector.event import ORDER, Event
from collector.times import FOREVER, format_duration, format_time


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many there may be, and what it is called when there are others."""

    least: int | None
    most: int | None
    too_few: str = "too_few"
    too_many: str = "too_many"

    def told(self) -> str:
        if self.least == self.most:
            return "once" if self.most == 1 else f"exactly {self.most}"
        return f"at least {self.least}" if self.most is None else f"at most {self.most}"


@dataclass(frozen=True, slots=True)
class Count(Rule):
    options: Options
    counted: tuple[tuple[Names, Bounds], ...]
    """Each entry is counted by itself."""
    trigger: Names
    """Empty: one instance a flow, from its begin on."""
    within: int | None
    by: Guard | None = None
    anywhere: bool = False
    """Whether it also counts in flows whose begin was not seen."""

    def names(self) -> frozenset[str]:
        return frozenset((*self._names(), *self.trigger, *self.options.unless))

    def activating(self, begins: Names) -> Names:
        return self.trigger or (self._names() if self.anywhere else begins)

    def awaits(self) -> frozenset[str]:
        return frozenset((*self._names(), *self.options.unless))

    def _names(self) -> Names:
        return tuple(name for names, _ in self.counted for name in names)

    def wakes(self) -> Sequence[Wake]:
        # One too many; or the trigger (for the flow: its begin) read after it; or a value that
        # occurs for the first time, and too late.
        found = []
        for names, bounds in self.counted:
            if bounds.most is not None:
                before = self.trigger if bounds.most == 0 else names
                late = Wake(self.trigger, names, twice=bounds.most > 0)
                alone = bounds.most == 0 and not self.trigger
                found += [Wake(names, before, alone=alone), late]
            if bounds.least and self.by is not None and self.within is not None:
                found.append(Wake(names, self.trigger))
        return found

    def waits_for_end(self) -> bool:
        return self.within is None and any(bounds.least for _, bounds in self.counted)

    def needs_begins(self) -> bool:
        return not self.anywhere

    def dues(self) -> Sequence[Due]:
        return () if self.within is None else (Due(self.trigger, self.within),)

    def reads(self) -> Sequence[Reads]:
        found = super(Count, self).reads()
        return found if self.by is None else [*found, self.by]

    def waited(self, episode: Episode, instance: Instance) -> int | None:
        # Of several counts nobody knows here whose instance it is.
        least = self.counted[0][1].least if len(self.counted) == 1 else None
        if not least:
            return None
        since = instance.activation or episode.begin
        return until_the_last(since, sorted(instance.evidence, key=ORDER)[:least])

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        if self.trigger:
            return [
                instance
                for cause in activations(self, episode, self.trigger)
                for instance in self._after(cause, episode, sight)
            ]
        begin, deadline = episode.begin, episode.end
        if begin is None and not self.anywhere:
            return ()
        if begin is not None and self.within is not None:
            deadline = begin.time + self.within
        found = []
        for names, bounds in self.counted:
            for value, events in self._groups(names, activations(self, episode, names)):
                one = _Counting(self, None, names, bounds, value, deadline)
                found.append(one.instance(events, events, episode, sight))
        return found

    def _groups(
        self, names: Names, events: Sequence[Event]
    ) -> Iterator[tuple[str, Sequence[Event]]]:
        """The events by value, with a text for each that tells this instance from its like."""
        which = names[0] if len(self.counted) > 1 else ""
        if self.by is None:
            yield which, events
            return
        groups: dict[str, list[Event]] = {}
        for event in events:
            value = self.by.value(event)
            if value is not MISSING:
                groups.setdefault(canonical(value), []).append(event)
        for text, some in groups.items():
            yield f"{which}={text}", some

    def check(self) -> Check:
        fine = self.fine
        if self.trigger or self.within is not None or self.by is not None:
            return fine

        def check(episode: Episode, sight: Sight) -> bool:
            end = episode.end
            for names, bounds in self.counted:
                events = activations(self, episode, names)
                if bounds.most is not None and len(events) > bounds.most:
                    return fine(episode, sight)
                needed = bounds.least or 0
                if needed and (
                    end is None or len(events) < needed or events[needed - 1].time > end
                ):
                    return fine(episode, sight)
            return True

        return check

    def plainly(
        self, present: frozenset[str], end: str, skew: int
    ) -> Sequence[Span | Condition] | None:
        if self.trigger and present.isdisjoint(self.trigger):
            return ()
        if self.trigger or self.within is not None or self.by is not None:
            return None
        if self.options.where is not None:
            return None
        found = []
        for names, bounds in self.counted:
            there = [name for name in dict.fromkeys(names) if name in present]
            if bounds.most is not None and len(there) > bounds.most:
                return None
            if bounds.least:
                if len(there) < bounds.least:
                    return None
                found += [Span(name, end, -1, FOREVER) for name in there if name != end]
        return found

    def _after(self, cause: Event, episode: Episode, sight: Sight) -> Iterator[Instance]:
        deadline = episode.end if self.within is None else cause.time + self.within
        first = cause.time - self.options.skew_under(sight)
        for names, bounds in self.counted:
            counts, sure = [], set()
            # What comes too late is evidence where it was awaited; and else it is nothing.
            last = None if self.within is None or self.by or bounds.least else deadline
            for event in since(episode.of(names, copies=self.options.copies), first):
                if last is not None and event.time > last:
                    break
                skew = skew_between(self.options.skew, sight, event, cause)
                if follows(event, cause, skew) and self.options.fits(event, cause):
                    counts.append(event)
                    if surely_follows(event, cause, skew):
                        sure.add(id(event))
            for value, events in self._groups(names, counts):
                surely = [event for event in events if id(event) in sure]
                one = _Counting(self, cause, names, bounds, value, deadline)
                yield one.instance(events, surely, episode, sight)


@dataclass(frozen=True, slots=True)
class _Counting:
    """One instance on its way to a state."""

    rule: Count
    cause: Event | None
    names: Names
    bounds: Bounds
    by: str
    deadline: int | None

    def instance(
        self, counts: Sequence[Event], sure: Sequence[Event], episode: Episode, sight: Sight
    ) -> Instance:
        """`counts` are those that may count (enough of them are enough), `sure` those that must."""
        rule, deadline, bounds = self.rule, self.deadline, self.bounds
        if rule.within is not None and deadline is not None:
            # Past a deadline of its own an event can only be late, and never one too many.
            sure = [e for e in sure if e.time <= deadline]
        in_time = [e for e in counts if deadline is None or e.time <= deadline]
        most, least = bounds.most, bounds.least or 0
        extra = sure[most] if most is not None and len(sure) > most else None
        if extra is None and self._waits_for_nothing(episode):
            return self._said("void", text="the flow had ended: it waits for nothing new")
        excuse = rule.excuse(episode, sight, self.cause, self._excusable(), extra)
        enough = most is None and len(in_time) >= least
        decided = in_time[least - 1] if enough and least else None
        if enough and (excuse is None or decided is None or ORDER(excuse) >= ORDER(decided)):
            return self._said("met", evidence=tuple(in_time))
        if excuse is not None:
            return self._said("void", evidence=(excuse,), text=f"excused by {excuse.name}")
        if extra is not None:
            return self._too_many(extra, sure, episode, sight)
        if len(in_time) < least:
            return self._too_few(counts, in_time, least, episode, sight)
        if self._over(episode, sight):
            return self._said("met", evidence=tuple(in_time))
        return self._said("pending", evidence=tuple(in_time))

    def _said(
        self,
        state: State,
        *,
        evidence: tuple[Event, ...] = (),
        text: str = "",
    ) -> Instance:
        return Instance(
            self.rule.options.name, state, self.cause, deadline=self.deadline, evidence=evidence,
            text=text, by=self.by,
        )  # fmt: skip

    def _over(self, episode: Episode, sight: Sight) -> bool:
        if self.rule.within is None:
            return is_over(episode, sight)
        due = (self.deadline or 0) + self.rule.options.grace_under(sight)
        return sight.complete_to(self.rule.awaits()) > due

    def _waits_for_nothing(self, episode: Episode) -> bool:
        """Whether the flow had ended when its activation came: that closes waiting, and no
        prohibition."""
        if self.cause is None or self.rule.within is not None or not self.bounds.least:
            return False
        return waits_no_more(episode, self.cause)

    def _excusable(self) -> int | None:
        """To when it can be excused: what only forbids has no deadline but its own."""
        forbids = self.cause is not None and not self.bounds.least
        return None if forbids and self.rule.within is None else self.deadline

    def _too_many(
        self, extra: Event, all: Sequence[Event], episode: Episode, sight: Sight
    ) -> Instance:
        bounds = self.bounds
        if bounds.most == 0:
            text = f"{extra.name} came at {format_time(extra.time)}; expected none"
        else:
            again = "again" if bounds.most == 1 else "once more"
            passed = format_duration(extra.time - all[0].time)
            text = (
                f"{extra.name} came {again} at {format_time(extra.time)}, "
                f"{passed} after the first; expected {bounds.told()}"
            )
        return Offence(
            rule=self.rule, cause=self.cause, event=extra, since=self.cause or episode.begin,
            revoking=frozenset(self.rule.options.unless), finding=bounds.too_many, text=text,
            deadline=self.deadline, evidence=all, by=self.by,
        ).judged(episode, sight)  # fmt: skip

    def _too_few(
        self,
        came: Sequence[Event],
        in_time: Sequence[Event],
        least: int,
        episode: Episode,
        sight: Sight,
    ) -> Instance:
        lacks = (" or ".join(self.names),)
        since = self.cause or episode.begin
        assert since is not None  # a rule of the whole flow counts from its begin
        return Absence(
            rule=self.rule, cause=self.cause, since=since, deadline=self.deadline, lacks=lacks,
            hidden=frozenset(self.names),
            text=f"expected {lacks[0]} {self.bounds.told()}", evidence=in_time, came=came,
            last=came[least - 1] if len(came) >= least else None, finding=self.bounds.too_few,
            none=str(len(in_time)) if in_time else "none", by=self.by,
        ).judged(episode, sight)  # fmt: skip


def once(options: Options, counted: Names, trigger: Names = (), within: int | None = None) -> Count:
    """Exactly one."""
    bounds = Bounds(1, 1, too_few="missing", too_many="repeated")
    return Count(options, ((counted, bounds),), trigger, within)
