"""What other rules would find that these do not, and the reverse: by the ids of findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.backtest.tally import Example, example, keep_first
from analyzer.finding import Finding


@dataclass
class Change:
    """Of one expectation: which findings are new, which are gone, how many stay."""

    new: int = 0
    gone: int = 0
    same: int = 0
    new_examples: list[Example] = field(default_factory=list)
    gone_examples: list[Example] = field(default_factory=list)


@dataclass
class Difference:
    """`changes`: by flow type and expectation."""

    changes: dict[tuple[str, str], Change] = field(default_factory=dict)

    def add(self, now: Mapping[str, Finding], before: Mapping[str, Finding]) -> None:
        """One flow, as the new rules and as those of before judge it; by id."""
        for id, finding in now.items():
            change = self._of(finding)
            if id in before:
                change.same += 1
            else:
                change.new += 1
                keep_first(change.new_examples, example(finding))
        for id, finding in before.items():
            if id not in now:
                change = self._of(finding)
                change.gone += 1
                keep_first(change.gone_examples, example(finding))

    def _of(self, finding: Finding) -> Change:
        return self.changes.setdefault((finding.type, finding.expectation), Change())

    @property
    def new(self) -> int:
        return sum(change.new for change in self.changes.values())

    @property
    def gone(self) -> int:
        return sum(change.gone for change in self.changes.values())

    @property
    def same(self) -> int:
        return sum(change.same for change in self.changes.values())
