"""`after: A` `undo: {X: X', Y: Y'}`: what was done before A is undone, in time, maybe in reverse.

An X' that came before A counts, too: sagas often undo first and say so last.
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
    done: list[tuple[Event, str]] = field(default_factory=list)
    """Events, each with the name that would undo it."""
    undone: dict[int, Event] = field(default_factory=dict)
    """By the number of what was done."""

    def in_time(self, number: int) -> bool:
        event = self.undone.get(number)
        return event is not None and (self.deadline is None or event.time <= self.deadline)


@dataclass(frozen=True, slots=True)
class AfterUndo(Rule):
    options: Options
    trigger: Names
    pairs: tuple[tuple[str, str], ...]
    """What is done, and what undoes it."""
    within: int | None
    reverse: bool = False

    def names(self) -> frozenset[str]:
        done = [name for pair in self.pairs for name in pair]
        return frozenset((*self.trigger, *done, *self.options.unless))

    def awaits(self) -> frozenset[str]:
        """In reverse, an earlier one of what was done would tell another order."""
        done = [name for name, _ in self.pairs] if self.reverse else ()
        return frozenset((*done, *(undo for _, undo in self.pairs), *self.options.unless))

    def wakes(self) -> Sequence[Wake]:
        # Something that had been done, and is read after the deadline.
        return (Wake(tuple(name for name, _ in self.pairs), self.trigger),)

    def dues(self) -> Sequence[Due]:
        undoing = tuple(undo for _, undo in self.pairs)
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
        for name, undo in self.pairs:
            free = [
                e for e in episode.of((undo,), copies=options.copies) if options.suits(e, cause)
            ]
            for event in episode.of((name,), copies=options.copies):
                skew = skew_between(options.skew, sight, cause, event)
                if not surely_follows(cause, event, skew):
                    continue
                number = len(one.done)
                one.done.append((event, undo))
                for other in free:
                    skew = skew_between(options.skew, sight, other, event)
                    if follows(other, event, skew) and options.alike(other, event):
                        one.undone[number] = other
                        if options.match == "each":
                            free.remove(other)
                        break
        return one

    def _out_of_order(self, one: _Undoing, sight: Sight) -> Event | None:
        """The first undoing that came after that of something done earlier; the first of each
        name counts."""
        firsts: dict[str, tuple[Event, Event]] = {}
        for number, (event, undo) in enumerate(one.done):
            if number in one.undone and undo not in firsts:
                firsts[undo] = (event, one.undone[number])
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
        lacks = tuple(dict.fromkeys(one.done[number][1] for number in lacking))
        earliest = min((one.done[number][0] for number in lacking), key=ORDER)
        done = ", ".join(dict.fromkeys(one.done[number][0].name for number in lacking))
        started = f"{cause.name} at {format_time(cause.time)}"
        what = " and ".join(lacks)
        return Absence(
            rule=self, cause=cause, since=earliest, deadline=one.deadline,
            lacks=lacks, hidden=frozenset(lacks), evidence=came, came=came, finding="not_undone",
            text=f"expected {what} {limit(self.within)} of {started}, to undo {done}",
            last=came[-1] if len(one.undone) == len(one.done) else None,
        ).judged(episode, sight)  # fmt: skip
