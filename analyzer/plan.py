"""What the live cache looks up by an event's name: which rules may have something to say now.

Everything here is a hint for speed. A hint too many costs a judgement; the findings are the
judge's, whatever the plan says.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from analyzer.rules.rule import Names, Reads
from analyzer.rules.ruleset import RuleFile, RuleSet
from collector.interest import Part


@dataclass(slots=True)
class NamePlan:
    """What an event of one name means for the flow that it belongs to."""

    bit: int
    """This name's mark in a flow's mask of names seen."""
    wakes: int = 0
    """Judge the flow at once if it has seen any of these names."""
    dues: tuple[tuple[frozenset[str], int], ...] = ()
    """(names awaited, µs after the event): judge the flow when completeness has passed that."""
    part: Part = field(default_factory=Part)
    """What some rule reads of it: that much is kept in memory."""


def make_plan(rules: RuleSet, default_grace: int) -> dict[str, NamePlan]:
    """The plan for every name that some rule names; other names are no business of the judge."""
    names = sorted({name for file in rules.files for name in file.names()})
    plans = {name: NamePlan(1 << number) for number, name in enumerate(names)}
    for file in rules.files:
        _plan_file(file, plans, default_grace)
    return plans


def _plan_file(file: RuleFile, plans: dict[str, NamePlan], default_grace: int) -> None:
    # A begin or an end that comes out of order moves the flow's end, and cuts its episodes.
    _wake(plans, file.begins, (*file.begins, *file.ends))
    _wake(plans, file.ends, (*file.ends,))
    for rule in file.rules:
        grace = default_grace if rule.options.grace is None else rule.options.grace
        awaits = rule.awaits()
        for due in rule.dues():
            _due(plans, due.names or file.begins, awaits, due.wait + grace)
        if rule.waits_for_end():
            _due(plans, file.ends, awaits, grace)
            if file.within is not None:
                _due(plans, file.begins, awaits, file.within + grace)
        for wake in rule.wakes():
            _wake(plans, wake.names or file.begins, wake.after or file.begins)
        for guard in rule.reads():
            for name in rule.names():
                plans[name].part = _with(plans[name].part, guard)


def _with(part: Part, guard: Reads) -> Part:
    """What was read before, and what this guard reads besides."""
    fields: tuple[str, ...] | None = None
    if part.payload is not None and guard.fields is not None:
        fields = tuple(sorted({*part.payload, *guard.fields}))
    return Part(fields, part.rest or "headers" in guard.text or "key" in guard.text)


def _wake(plans: dict[str, NamePlan], names: Names, after: Iterable[str]) -> None:
    mask = 0
    for name in after:
        mask |= plans[name].bit
    for name in names:
        plans[name].wakes |= mask


def _due(plans: dict[str, NamePlan], names: Names, awaits: frozenset[str], wait: int) -> None:
    for name in names:
        plan = plans[name]
        if (awaits, wait) not in plan.dues:
            plan.dues = (*plan.dues, (awaits, wait))
