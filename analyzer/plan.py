"""What the live cache looks up by an event's name: which rules may have something to say now.

Everything here is a hint for speed. A hint too many costs a judgement; the findings are the
judge's, whatever the plan says.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from analyzer.naming import ANY_NAME
from analyzer.rules.rule import Reads, Rule
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.sight import ANY
from collector.interest import Part

BORN = 1
"""The one bit that every flow's mask has, from its first event on."""


@dataclass(slots=True)
class NamePlan:
    """What an event of one name means for the flow that it belongs to."""

    bit: int
    """This name's mark in a flow's mask of names seen."""
    twice: int
    """Its mark once it was seen again."""
    wakes: int = 0
    """Judge the flow at once if its mask has any of these."""
    dues: tuple[tuple[frozenset[str], int], ...] = ()
    """(names awaited, µs after the event): judge the flow when completeness has passed that."""
    part: Part = field(default_factory=Part)
    """What some rule reads of it: that much is kept in memory."""

    def seen(self, mask: int) -> int:
        """The mask of a flow with one more of these."""
        return mask | (self.twice if mask & self.bit else self.bit)


@dataclass(frozen=True, slots=True)
class Plan:
    names: dict[str, NamePlan]
    """For every name that some rule names."""
    other: NamePlan | None
    """For all others; None where they are no business of the judge."""

    def of(self, name: str) -> NamePlan | None:
        return self.names.get(name, self.other)

    def every(self) -> list[NamePlan]:
        return [*self.names.values(), *([] if self.other is None else [self.other])]

    def meant(self, file: RuleFile, names: Iterable[str]) -> list[NamePlan]:
        """Those of the events that have one of these names in this file."""
        stored = file.stored(names)
        if ANY_NAME in stored:
            return self.every()
        return [self.names[name] for name in sorted(stored)]

    def mask(self, file: RuleFile) -> int:
        """What a flow that this file may judge has a bit of."""
        return sum(plan.bit | plan.twice for plan in self.meant(file, file.told()))

    def parts(self) -> dict[str, Part]:
        """By name, what is read of an event: what a tap hands over."""
        return {name: plan.part for name, plan in self.names.items()}


def make_plan(rules: RuleSet, default_grace: int) -> Plan:
    names = sorted({name for file in rules.files for name in file.names()})
    plans = {name: _name_plan(number) for number, name in enumerate(names)}
    looked_at = any(file.every_name for file in rules.files)
    other = _name_plan(len(names)) if looked_at else None
    plan = Plan(plans, other)
    for file in rules.files:
        _plan_file(file, plan, default_grace)
    return plan


def _name_plan(number: int) -> NamePlan:
    return NamePlan(BORN << 2 * number + 1, BORN << 2 * number + 2)


def _plan_file(file: RuleFile, plan: Plan, default_grace: int) -> None:
    def meant(names: Iterable[str]) -> list[NamePlan]:
        return plan.meant(file, names)

    # A begin or an end that comes out of order moves the flow's end, and cuts its episodes.
    _wake(meant(file.begins), meant((*file.begins, *file.ends)))
    _wake(meant(file.ends), meant(file.ends))
    for rule in file.rules:
        grace = default_grace if rule.options.grace is None else rule.options.grace
        awaits = awaited(file, rule)
        for due in rule.dues():
            _due(meant(due.names or file.begins), awaits, due.wait + grace)
        if rule.waits_for_end():
            _due(meant(file.ends), awaits, grace)
            if file.within is not None:
                _due(meant(file.begins), awaits, file.within + grace)
        for wake in rule.wakes():
            after = meant(wake.after or file.begins)
            # Two names seen once each are no name seen twice: their marks cannot tell.
            woken = meant(wake.names or file.begins)
            _wake(woken, after, twice=wake.twice and len(after) == 1)
            if wake.alone:
                _wake_always(woken)
        for guard in rule.reads():
            _read(meant(rule.read_of()), guard)
    for meaning, guard in file.conditions():
        _read(meant((meaning.name,)), guard)


def awaited(file: RuleFile, rule: Rule) -> frozenset[str]:
    """What the events may be called for whose names completeness is asked."""
    stored = file.stored(rule.awaits())
    return ANY if ANY_NAME in stored else stored


def _read(plans: Iterable[NamePlan], guard: Reads) -> None:
    for plan in plans:
        plan.part = reading(plan.part, guard)


def reading(part: Part, guard: Reads) -> Part:
    """What was read before, and what this guard reads besides."""
    fields: tuple[str, ...] | None = None
    if part.payload is not None and guard.fields is not None:
        fields = tuple(sorted({*part.payload, *guard.fields}))
    rest = part.rest or "headers" in guard.text or "key" in guard.text
    return Part(fields, rest, part.id or _AN_ID.search(guard.text) is not None)


_AN_ID = re.compile(r"\bid\b")
"""Of the event, or of something in its payload."""


def _wake(plans: Iterable[NamePlan], after: Iterable[NamePlan], *, twice: bool = False) -> None:
    mask = 0
    for plan in after:
        mask |= plan.twice if twice else plan.bit
    for plan in plans:
        plan.wakes |= mask


def _wake_always(plans: Iterable[NamePlan]) -> None:
    for plan in plans:
        plan.wakes |= BORN


def _due(plans: Iterable[NamePlan], awaits: frozenset[str], wait: int) -> None:
    for plan in plans:
        if (awaits, wait) not in plan.dues:
            plan.dues = (*plan.dues, (awaits, wait))
