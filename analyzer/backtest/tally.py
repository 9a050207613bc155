"""What came of one expectation: how many instances in which state, and the first findings."""

from array import array
from bisect import insort
from dataclasses import dataclass, field

from analyzer.backtest.waits import Waits, waits
from analyzer.finding import Finding
from analyzer.folds.fold import Fold
from analyzer.folds.judging import JudgedWindow
from analyzer.folds.schedule import Schedule
from analyzer.instance import STATES, Instance, State
from analyzer.judge import Judged
from analyzer.rules.rule import Rule
from analyzer.rules.ruleset import Lacking, RuleFile, RuleSet

EXAMPLES = 3
OFFENCES = ("too_many", "too_slow", "lagging")
WENT_WRONG: tuple[State, ...] = ("missing", "late", "violated")
SHOWN: tuple[State, ...] = (*WENT_WRONG, "unknown")
"""States of which the first are told by name."""


@dataclass(order=True, frozen=True)
class Example:
    """A flow in which it happened; the first ones are shown."""

    at: int
    flow: str
    """Empty where it is about more than one."""
    text: str = field(compare=False)


def example(finding: Finding) -> Example:
    return Example(finding.at, finding.flow or "", finding.text)


def keep_first(examples: list[Example], one: Example) -> None:
    """The earliest few, whatever their order of coming."""
    if len(examples) < EXAMPLES or one < examples[-1]:
        insort(examples, one)
        del examples[EXAMPLES:]


@dataclass
class Tally:
    file: RuleFile
    rule: Rule | Fold
    counts: dict[State, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    excused: int = 0
    """Of those that are void the ones that an `unless` made so."""
    took: "array[int]" = field(default_factory=lambda: array("q"))
    examples: dict[State, list[Example]] = field(
        default_factory=lambda: {state: [] for state in SHOWN}
    )

    _before: dict[str, Lacking] = field(init=False)
    """What was lacking before this run."""

    def __post_init__(self) -> None:
        self._before = {one.text: one for one in self.file.lacking(self.rule)}

    @property
    def type(self) -> str:
        return self.file.flow

    @property
    def name(self) -> str:
        return self.rule.options.name

    @property
    def activations(self) -> int:
        return sum(self.counts.values())

    @property
    def findings(self) -> int:
        return sum(self.counts[state] for state in WENT_WRONG)

    def lacking(self) -> list[Lacking]:
        """Conditions and paths of which fields were not there in this run."""
        return [
            found for one in self.file.lacking(self.rule) if (found := self._since(one)).missing
        ]

    def _since(self, one: Lacking) -> Lacking:
        before = self._before.get(one.text, Lacking(one.text, 0, 0))
        return Lacking(one.text, one.missing - before.missing, one.asked - before.asked)

    def add(self, judged: Judged, instance: Instance) -> None:
        state = instance.state
        self.counts[state] += 1
        if state == "unknown":
            at = instance.activation or judged.episode.events[0]
            keep_first(self.examples[state], Example(at.time, judged.episode.flow, instance.text))
        unless = self.rule.options.unless
        if state == "void" and unless:
            by = (name for event in instance.evidence for name in judged.episode.called(event))
            self.excused += any(name in unless for name in by)
        if state in ("met", "late") and isinstance(self.rule, Rule):
            took = self.rule.waited(judged.episode, instance)
            if took is not None:
                self.took.append(took)

    def add_window(self, judged: JudgedWindow) -> None:
        for instance in judged.instances:
            self.counts[instance.state] += 1
            self.excused += instance.state == "void"
            if isinstance(judged.fold, Schedule) and instance.state in ("met", "late"):
                self.took.append(max(0, instance.evidence[0].time - judged.window.start))

    def found(self, state: State, finding: Finding) -> None:
        """For one that was added, and went wrong."""
        keep_first(self.examples[state], example(finding))

    def found_in_window(self, finding: Finding) -> None:
        state: State = "late" if finding.state == "closed" else "missing"
        self.found("violated" if finding.finding in OFFENCES else state, finding)

    def waits(self) -> Waits | None:
        return waits(self.took, self.counts["missing"])


def tallies(rules: RuleSet) -> dict[tuple[str, str], Tally]:
    """One for each expectation, in the order of the files: those that are silent, too."""
    return {
        (file.flow, rule.options.name): Tally(file, rule)
        for file in rules.files
        for rule in file.expectations()
    }
