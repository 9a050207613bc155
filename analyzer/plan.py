"""What the live cache looks up by an event's name: which rules may have something to say now.

Everything here is a hint for speed. A hint too many costs a judgement; the findings are the
judge's, whatever the plan says.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from analyzer.rules.rule import EVERY, Names, Reads
from analyzer.rules.ruleset import RuleFile, RuleSet
from collector.interest import Part


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
    return NamePlan(1 << 2 * number, 2 << 2 * number)


def _plan_file(file: RuleFile, plan: Plan, default_grace: int) -> None:
    plans = plan.names
    # A begin or an end that comes out of order moves the flow's end, and cuts its episodes.
    _wake(plans, file.begins, (*file.begins, *file.ends))
    _wake(plans, file.ends, (*file.ends,))
    for rule in file.rules:
        grace = default_grace if rule.options.grace is None else rule.options.grace
        awaits = rule.awaits()
        for due in rule.dues():
            names = due.names or file.begins
            _due(
                plan.every() if names is EVERY else [plans[name] for name in names],
                awaits,
                due.wait + grace,
            )
        if rule.waits_for_end():
            _due([plans[name] for name in file.ends], awaits, grace)
            if file.within is not None:
                _due([plans[name] for name in file.begins], awaits, file.within + grace)
        for wake in rule.wakes():
            after = wake.after or file.begins
            # Two names seen once each are no name seen twice: their marks cannot tell.
            twice = wake.twice and len(after) == 1
            _wake(plans, wake.names or file.begins, after, twice=twice)
        for guard in rule.reads():
            for name in rule.names():
                plans[name].part = _with(plans[name].part, guard)


def _with(part: Part, guard: Reads) -> Part:
    """What was read before, and what this guard reads besides."""
    fields: tuple[str, ...] | None = None
    if part.payload is not None and guard.fields is not None:
        fields = tuple(sorted({*part.payload, *guard.fields}))
    return Part(fields, part.rest or "headers" in guard.text or "key" in guard.text)


def _wake(
    plans: dict[str, NamePlan], names: Names, after: Iterable[str], *, twice: bool = False
) -> None:
    mask = 0
    for name in after:
        mask |= plans[name].twice if twice else plans[name].bit
    for name in names:
        plans[name].wakes |= mask


def _due(plans: Iterable[NamePlan], awaits: frozenset[str], wait: int) -> None:
    for plan in plans:
        if (awaits, wait) not in plan.dues:
            plan.dues = (*plan.dues, (awaits, wait))
