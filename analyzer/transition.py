"""What became of findings since people were last told of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from analyzer.finding import Finding
from analyzer.judge import RUNAWAY
from analyzer.rules.ruleset import RuleSet
from collector.event import Event
from collector.times import format_duration


@dataclass(frozen=True, slots=True)
class Transition:
    """A finding that appeared, changed or was taken back; `reason` says why it did."""

    finding: Finding
    reason: str | None = None
    new: bool = False
    news: bool = True
    """Whether people are to hear of it: further evidence alone is only written down."""
    over: bool = False
    """Whether its flow has ended."""


def changes(
    before: Mapping[str, Finding],
    now: Mapping[str, Finding],
    take_back: Callable[[Finding], Transition],
    over: bool,
) -> Iterable[Transition]:
    """What the new findings are to those of before."""
    for id, finding in now.items():
        old = before.get(id)
        if old is None:
            yield Transition(finding, new=True, over=over)
        elif (old.state, old.finding) != (finding.state, finding.finding):
            yield Transition(finding, finding.text)
        elif old != finding:
            yield Transition(finding, "further evidence", news=False)
    for id, old in before.items():
        if id not in now:
            yield take_back(old)


def retracted(old: Finding, why: str) -> Transition:
    return Transition(msgspec.structs.replace(old, state="retracted"), why)


def taken_back(
    old: Finding, events: Sequence[Event], rules: RuleSet, *, runaway: bool
) -> Transition:
    """`events`: those of its flow now."""
    return retracted(old, _why(old, events, rules, runaway=runaway))


def _why(old: Finding, events: Sequence[Event], rules: RuleSet, *, runaway: bool) -> str:
    if runaway:
        return f"its flow is a runaway: more than {RUNAWAY:,} events, and no longer judged"
    rule = rules.by_name.get((old.type, old.expectation))
    if rule is None or rule.options.version != old.rule_version:
        return "rule changed"
    concerned = rules.concern(old.type, old.expectation, events)
    newest = max(concerned, key=_arrival, default=None)
    if newest is None:
        return "its events are no longer there"
    return arrived(newest, old)


def arrived(event: Event, old: Finding) -> str:
    """That this event came after all."""
    delay = format_duration(event.arrival - (old.deadline or old.at))
    against = "its deadline passed" if old.deadline is not None else "the offending event"
    return (
        f"{event.name} of {event.topic}-{event.partition}@{event.offset} arrived "
        f"{delay} after {against}"
    )


def _arrival(event: Event) -> int:
    return event.arrival
