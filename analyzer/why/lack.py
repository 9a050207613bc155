"""An instance that lacks something, with all that it was judged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from analyzer.episode import Episode
from analyzer.instance import Instance
from analyzer.rules.rule import Rule
from analyzer.rules.ruleset import RuleFile
from analyzer.rules.services import Service
from analyzer.why.steps import Step, step_of
from collector.event import Event


@dataclass(frozen=True)
class Lack:
    flow: str
    file: RuleFile
    rule: Rule
    services: Sequence[Service]
    """Those who run its steps."""
    events: Sequence[Event]
    """Of the whole flow, with headers and payloads."""
    episode: Episode
    instance: Instance

    @cached_property
    def step(self) -> Step:
        return step_of(self.instance, self.episode, self.rule, self.services)

    @property
    def until(self) -> int | None:
        """When the time was over in which it mattered what groups had read."""
        return self.instance.deadline if self.step.act is None else self.step.act.time
