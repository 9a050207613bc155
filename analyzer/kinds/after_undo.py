"""`after: A` `undo: {X: X', Y: Y'}`: what was done before A is undone, in time, maybe in reverse.

`{X: [X', X'']}`: any of them undoes it. One that came before A counts, too: sagas often undo first
and say so last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from analyzer.absence import Absence, limit, until_the_last
from analyzer.episode import Episode, follows, skew_between, surely_follows, waits_no_more
from analyzer.instance import Instance
from analyzer.offence import Offence
from analyzer.rules.rule import Due, Names, Options, Rule, Wake, activations
from analyzer.sight import Sight
from collector.event import ORDER, Event
from collector.times import format_time


@dataclass(slots=True)
class _Undoing:
    """One activation: what had been done, and what undid it."""

    cause: Event
    deadline: int | None
    done: list[tuple[Event, int]] = field(default_factory=list)
    """Events, each with the number of its pair of names."""
    undone: dict[int, Event] = field(default_factory=dict)
    """By the number of what was done."""

    def in_time(self, number: int) -> bool:
        event = self.undone.get(number)
        return event is not None and (self.deadline is None or event.time <= self.deadline)


@dataclass(frozen=True, slots=True)
class AfterUndo(Rule):
    options: Options
    trigger: Names
    pairs: tuple[tuple[str, Names], ...]
    """What is done, and what undoes it: any of these."""
    within: int | None
    reverse: bool = False

    def names(self) -> frozenset[str]:
        done = (name for name, _ in self.pairs)
        return frozenset((*self.trigger, *done, *self._undoing_names(), *self.options.unless))

    def awaits(self) -> frozenset[str]:
        """In reverse, an earlier one of what was done would tell another order."""
        done = [name for name, _ in self.pairs] if self.reverse else ()
        return frozenset((*done, *self._undoing_names(), *self.options.unless))

    def _undoing_names(self) -> Names:
        return tuple(dict.fromkeys(undo for _, names in self.pairs for undo in names))

    def wakes(self) -> Sequence[Wake]:
        # Something that had been done, and is read after the deadline.
        return (Wake(tuple(name for name, _ in self.pairs), self.trigger),)

    def dues(self) -> Sequence[Due]:
        undoing = self._undoing_names()
        found = [Due(self.trigger, self.within)] if self.within is not None else []
        return [*found, Due((*self.trigger, *undoing), 0)] if self.reverse else found

    def waits_for_end(self) -> bool:
        return self.within is None

    def waited(self, episode: Episode, instance: Instance) -> int | None:
        return until_the_last(instance.activation, instance.evidence)

    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        return [
            self._instance(cause, episode, sight)
            for cause in activations(self, episode, self.trigger)
        ]

    def _instance(self, cause: Event, episode: Episode, sight: Sight) -> Instance:
        name = self.options.name
        if self.within is None and waits_no_more(episode, cause):
            return self.ended(cause)
        deadline = episode.end if self.within is None else cause.time + self.within
        one = self._undoing(cause, deadline, episode, sight)
        came = tuple(sorted({id(e): e for e in one.undone.values()}.values(), key=ORDER))
        whole = all(map(one.in_time, range(len(one.done))))
        wrong = self._out_of_order(one, sight) if self.reverse else None
        excuse = self.excuse(episode, sight, cause, deadline, wrong)
        decided = came[-1] if came and whole and wrong is None else None
        if excuse is not None and (
            (decided is not None and ORDER(excuse) < ORDER(decided))
            or (decided is None and (wrong is not None or not whole))
        ):
            return self.excused(excuse, cause, deadline)
        if wrong is not None:
            return self._wrong(one, wrong, came, episode, sight)
        if whole:
            return Instance(name, "met", cause, deadline=deadline, evidence=came)
        return self._lacking(one, came, episode, sight)

    def _undoing(
        self, cause: Event, deadline: int | None, episode: Episode, sight: Sight
    ) -> _Undoing:
        one, options = _Undoing(cause, deadline), self.options
        for pair, (name, _) in enumerate(self.pairs):
            for event in episode.of((name,), copies=options.copies):
                skew = skew_between(options.skew, sight, cause, event)
                if surely_follows(cause, event, skew):
                    one.done.append((event, pair))
        free = [
            [e for e in episode.of(undo, copies=options.copies) if options.suits(e, cause)]
            for _, undo in self.pairs
        ]
        taken: set[int] = set()
        # In the order of what was done: one that undoes several names is handed to the earliest.
        for number in sorted(range(len(one.done)), key=lambda n: ORDER(one.done[n][0])):
            event, pair = one.done[number]
            for at, other in enumerate(free[pair]):
                skew = skew_between(options.skew, sight, other, event)
                if id(other) in taken or not follows(other, event, skew):
                    continue
                if options.alike(other, event):
                    one.undone[number] = other
                    if options.match == "each":
                        taken.add(id(other))
                        del free[pair][at]
                    break
        return one

    def _out_of_order(self, one: _Undoing, sight: Sight) -> Event | None:
        """The first undoing that came after that of something done earlier; the first of each
        name counts."""
        firsts: dict[int, tuple[Event, Event]] = {}
        for number, (event, pair) in enumerate(one.done):
            if number in one.undone and pair not in firsts:
                firsts[pair] = (event, one.undone[number])
        late = [
            undone
            for done, undone in firsts.values()
            for earlier, its in firsts.values()
            if surely_follows(done, earlier, skew_between(self.options.skew, sight, done, earlier))
            and surely_follows(undone, its, skew_between(self.options.skew, sight, undone, its))
        ]
        return min(late, key=ORDER, default=None)

    def _wrong(
        self,
        one: _Undoing,
        wrong: Event,
        came: tuple[Event, ...],
        episode: Episode,
        sight: Sight,
    ) -> Instance:
        text = (
            f"{wrong.name} at {format_time(wrong.time)} came too late in the order: "
            f"{' before '.join(event.name for event in came)}; expected the reverse"
        )
        first = min((done for done, _ in one.done), key=ORDER)
        return Offence(
            rule=self, cause=one.cause, event=wrong, since=first, revoking=self.awaits(),
            finding="out_of_order", text=text, deadline=one.deadline, evidence=came,
        ).judged(episode, sight)  # fmt: skip

    def _lacking(
        self, one: _Undoing, came: tuple[Event, ...], episode: Episode, sight: Sight
    ) -> Instance:
        cause = one.cause
        lacking = [number for number in range(len(one.done)) if not one.in_time(number)]
        undoing = dict.fromkeys(self.pairs[one.done[number][1]][1] for number in lacking)
        lacks = tuple(" or ".join(names) for names in undoing)
        earliest = min((one.done[number][0] for number in lacking), key=ORDER)
        done = ", ".join(dict.fromkeys(one.done[number][0].name for number in lacking))
        started = f"{cause.name} at {format_time(cause.time)}"
        what = " and ".join(lacks)
        return Absence(
            rule=self, cause=cause, since=earliest, deadline=one.deadline,
            lacks=lacks, hidden=frozenset(name for names in undoing for name in names),
            evidence=came, came=came, finding="not_undone",
            text=f"expected {what} {limit(self.within)} of {started}, to undo {done}",
            last=came[-1] if len(one.undone) == len(one.done) else None,
        ).judged(episode, sight)  # fmt: skip
