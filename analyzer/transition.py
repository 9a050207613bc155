"""What became of findings since people were last told of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from analyzer.finding import Finding
from analyzer.judge import RUNAWAY
from analyzer.open_flow import OpenFlow
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
    flow: OpenFlow,
    rules: RuleSet,
    over: bool,
) -> Iterable[Transition]:
    """What a flow's new findings are to those of before."""
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
            yield taken_back(old, flow, rules)


def taken_back(old: Finding, flow: OpenFlow | None, rules: RuleSet) -> Transition:
    retracted = msgspec.structs.replace(old, state="retracted")
    return Transition(retracted, _why(old, flow, rules))


def _why(old: Finding, flow: OpenFlow | None, rules: RuleSet) -> str:
    if flow is not None and flow.runaway:
        return f"its flow is a runaway: more than {RUNAWAY:,} events, and no longer judged"
    events = [] if flow is None else flow.events()
    rule = rules.by_name.get((old.type, old.expectation))
    if rule is None or rule.options.version != old.rule_version:
        return "rule changed"
    concerned = rules.concern(old.type, old.expectation, events)
    newest = max(concerned, key=_arrival, default=None)
    if newest is None:
        return "its events are no longer there"
    delay = format_duration(newest.arrival - (old.deadline or old.at))
    against = "its deadline passed" if old.deadline is not None else "the offending event"
    return (
        f"{newest.name} of {newest.topic}-{newest.partition}@{newest.offset} arrived "
        f"{delay} after {against}"
    )


def _arrival(event: Event) -> int:
    return event.arrival
