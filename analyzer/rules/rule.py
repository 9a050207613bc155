"""What every expectation has in common, and what the live cache must know of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from analyzer.episode import Episode, follows, since, skew_between, surely_follows
from analyzer.guards import MISSING, Guard
from analyzer.instance import Instance
from analyzer.likeness import Likeness
from analyzer.naming import ANY_NAME
from analyzer.origins import ByName
from analyzer.paths import ValuePath
from analyzer.rules.located import Value
from analyzer.sight import Sight
from analyzer.span import Condition, Span
from analyzer.values import canonical
from collector.cel_values import json_equal
from collector.event import Event

Names = tuple[str, ...]
EVERY: Names = (ANY_NAME,)
"""In a `Due` or a `Wake`: events of every name, those that no rule names too."""
Reads = Guard | ValuePath
Check = Callable[[Episode, Sight], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options that every kind takes."""

    name: str
    about: str | None = None
    where: Guard | None = None
    such_that: Guard | None = None
    same: tuple[Guard, ...] = ()
    unless: Names = ()
    unless_where: Guard | None = None
    match: str = "any"
    copies: bool = False
    skew: int | None = None
    grace: int | None = None
    severity: str = "warning"
    labels: tuple[tuple[str, str], ...] = ()
    group_by: tuple[tuple[str, Guard], ...] = ()
    """Labels that a finding takes from its activating event, or else from its evidence."""
    wait: int = 0
    """`for`: nobody hears of a finding before it has stood so long."""
    keep: int | None = None
    """`keep_firing_for`: nobody hears of it after that, counted from when somebody could."""
    runbook: str | None = None
    version: str = ""
    kind: str = field(default="", compare=False)
    sentence: str = field(default="", compare=False)
    """What it says, whatever it is called."""
    written: Value | None = field(default=None, compare=False, repr=False)
    """As it stands in its file, with places; None for what is implicit."""
    likeness: Likeness = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "likeness", Likeness(self.same, self.such_that))

    def grace_under(self, sight: Sight) -> int:
        return sight.grace if self.grace is None else self.grace

    def skew_under(self, sight: Sight) -> int:
        """By how much (µs) two clocks may differ at most."""
        return sight.widest if self.skew is None else self.skew

    def patience_under(self, sight: Sight) -> int:
        """How long after an offence something may be read that takes it back: a tie does, too."""
        return max(self.grace_under(sight), self.skew_under(sight))

    def fits(self, event: Event, cause: Event) -> bool:
        """`such_that` and `same`: may this event count for that activation?"""
        return self.suits(event, cause) and self.alike(event, cause)

    def fitting(self, event: str, cause: str) -> list[Condition]:
        """What must hold that they fit, of events in a flow in which no name came twice."""
        found: list[Condition] = []
        if self.such_that is not None:
            suits = self.such_that.named(event, cause)
            found.append(lambda at: suits(at) is True)
        for path in self.same:
            found.append(_alike(path.named(event), path.named(cause)))
        return found

    def reads(self) -> Sequence[Guard]:
        """Every condition and path among the options."""
        labels = (guard for _, guard in self.group_by)
        found = (self.where, self.such_that, self.unless_where, *self.same, *labels)
        return [guard for guard in found if guard is not None]

    def labels_of(self, event: Event | None) -> dict[str, str]:
        """Those of the rule, and those that this event gives."""
        taken = {} if event is None else {name: _text(g.value(event)) for name, g in self.group_by}
        return {**taken, **dict(self.labels)}

    def excuses(self, event: Event, activation: Event | None) -> bool:
        """Whether an `unless` event is one of those that are meant."""
        return self.unless_where is None or self.unless_where(event, activation)

    def suits(self, event: Event, cause: Event) -> bool:
        """`such_that`"""
        return self.such_that is None or self.such_that(event, cause)

    def alike(self, event: Event, other: Event) -> bool:
        """`same`"""
        return not self.same or all(_same(path, event, other) for path in self.same)


LONGEST_LABEL = 200


def _text(value: object) -> str:
    if value is MISSING or value is None:
        return ""
    text = value if isinstance(value, str) else canonical(value)
    return text[:LONGEST_LABEL]


def _same(path: Guard, event: Event, cause: Event) -> bool:
    return _same_values(path.value(event), path.value(cause))


def _alike(one: Callable[[ByName], object], other: Callable[[ByName], object]) -> Condition:
    return lambda at: _same_values(one(at), other(at))


def _same_values(one: object, other: object) -> bool:
    """JSON equality; a field that is missing on both sides is not the same."""
    return one is not MISSING and other is not MISSING and json_equal(one, other)


@dataclass(frozen=True, slots=True)
class Wake:
    """For the live cache: an event with one of `names` can, at once, make an offence in a flow that
    has seen one of `after`; of both, empty is the flow's begin."""

    names: Names
    after: Names
    twice: bool = False
    """Only if one of `after` was seen twice, or two of them."""
    alone: bool = False
    """Even if it is the flow's first event, and so its own begin."""


@dataclass(frozen=True, slots=True)
class Due:
    """For the live cache: an event with one of `names` (empty: the flow's begin) may make
    something judged `wait` later."""

    names: Names
    wait: int


class Rule(ABC):
    """One expectation of one kind. `judge` is pure: the same arguments, the same instances."""

    options: Options

    @abstractmethod
    def judge(self, episode: Episode, sight: Sight) -> Sequence[Instance]:
        """Every instance of this rule in this episode."""

    def check(self) -> Check:
        """A function that tells whether every instance is met or void, in an episode that was
        ended by an event; a kind makes one that needs no instances for what is usual."""
        return self.fine

    def fine(self, episode: Episode, sight: Sight) -> bool:
        """The same, by making them."""
        return all(one.state in ("met", "void") for one in self.judge(episode, sight))

    def plainly(
        self, present: frozenset[str], end: str, skew: int
    ) -> Sequence[Span | Condition] | None:
        """What must hold that `check` says yes, in a flow in which each of these names came once,
        its only begin first and then its only end, where sources differ by `skew` (µs). None
        where that is not known: then `check` is asked."""
        return None

    def met(
        self, cause: str, present: frozenset[str], skew: int
    ) -> Sequence[Span | Condition] | None:
        """What must hold that nothing changes when a deadline after this cause passes, in a flow
        that goes on and in which each of these names came once. None where that is not known."""
        return None

    @abstractmethod
    def names(self) -> frozenset[str]:
        """Every name that it looks at."""

    def every_name(self) -> bool:
        """Whether it looks at the events of every name."""
        return False

    def read_of(self) -> Iterable[str]:
        """The names of the events that its conditions and paths read."""
        return self.names()

    @abstractmethod
    def awaits(self) -> frozenset[str]:
        """The names whose absence it judges: completeness is asked for these."""

    @abstractmethod
    def wakes(self) -> Sequence[Wake]: ...

    @abstractmethod
    def dues(self) -> Sequence[Due]: ...

    def activating(self, begins: Names) -> Names:
        """The names of the events without which it has no instance; `begins` are its flow's."""
        return tuple(getattr(self, "trigger", ())) or begins

    def waits_for_end(self) -> bool:
        """Whether its deadline is the flow's end."""
        return False

    def needs_begins(self) -> bool:
        """Whether a file must say which event begins a flow."""
        return True

    def waited(self, episode: Episode, instance: Instance) -> int | None:
        """How long (µs) what is awaited really took, of an instance that is met or late; None for
        kinds that do not wait."""
        return None

    def reads(self) -> Sequence[Reads]:
        """Every condition and path of this rule."""
        return self.options.reads()

    def excused(
        self, excuse: Event, cause: Event | None = None, deadline: int | None = None
    ) -> Instance:
        why = f"excused by {excuse.name}"
        return Instance(
            self.options.name, "void", cause, deadline=deadline, evidence=(excuse,), text=why
        )

    def ended(self, cause: Event | None, evidence: tuple[Event, ...] = ()) -> Instance:
        """For an activation without a deadline of its own, in a flow that has ended."""
        why = "the flow had ended: it waits for nothing new"
        return Instance(self.options.name, "void", cause, evidence=evidence, text=why)

    def excuse(
        self,
        episode: Episode,
        sight: Sight,
        activation: Event | None,
        until: int | None,
        offence: Event | None = None,
    ) -> Event | None:
        """The first `unless` event after the activation, at or before `until`, and not surely
        after the offence: what is tied with it excuses it."""
        options = self.options
        if not options.unless:
            return None
        some = episode.of(options.unless, copies=options.copies)
        if activation is not None:
            some = since(some, activation.time - options.skew_under(sight))
        for event in some:
            if until is not None and event.time > until:
                return None
            if not options.excuses(event, activation):
                continue
            if offence is not None and _surely_after(self, sight, event, offence):
                continue
            if activation is None or _counts_as_after(self, sight, event, activation):
                return event
        return None


def _counts_as_after(rule: Rule, sight: Sight, event: Event, activation: Event) -> bool:
    return follows(event, activation, skew_between(rule.options.skew, sight, event, activation))


def _surely_after(rule: Rule, sight: Sight, event: Event, offence: Event) -> bool:
    return surely_follows(event, offence, skew_between(rule.options.skew, sight, event, offence))


def firsts(rule: Rule, episode: Episode, listed: Names) -> list[Event]:
    """Of each of these names the first event, in the order of the list; `where` narrows them."""
    found = (activations(rule, episode, (name,)) for name in listed)
    return [events[0] for events in found if events]


def activations(rule: Rule, episode: Episode, trigger: Names) -> Sequence[Event]:
    """The events that match the trigger: name and `where`."""
    options = rule.options
    found = episode.of(trigger, copies=options.copies)
    if options.where is None:
        return found
    return [event for event in found if options.where(event, None)]
