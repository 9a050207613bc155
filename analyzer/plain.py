"""What nearly every flow comes to, told by the names and times of its events: it went well.

Where no name came twice, which events an expectation speaks of is known from the names alone. What
is left to ask of a flow are differences of times and a few guards, the same for every flow of the
same shape.
"""

from dataclasses import dataclass

from analyzer.episode import episodes
from analyzer.origins import ByName
from analyzer.rules.rule import Check
from analyzer.rules.ruleset import RuleFile
from analyzer.sight import Sight
from analyzer.span import Condition, Span, all_hold, tightest
from collector.times import FOREVER


@dataclass(frozen=True, slots=True)
class Plain:
    """One file's expectations of a flow of one shape: if all this holds, it is one episode, ended
    by an event, in which every instance is met or void."""

    file: RuleFile
    end: str
    spans: tuple[Span, ...]
    conditions: tuple[Condition, ...]
    checks: tuple[Check, ...]
    """Of rules of which the names do not tell."""

    def holds(self, at: ByName, sight: Sight) -> bool:
        try:
            if not all_hold(self.spans, at):
                return False
            for condition in self.conditions:
                if not condition(at):
                    return False
            return not self.checks or self._checked(at, sight)
        except Exception:  # noqa: BLE001  # a mistake of ours: judging tells of it
            return False

    def _checked(self, at: ByName, sight: Sight) -> bool:
        file = self.file
        (one,) = episodes(at.flow, file.flow, file.begins, file.ends, file.within, at.events())
        return all(check(one, sight) for check in self.checks)


def plain(file: RuleFile, present: frozenset[str], skew: int) -> Plain | None:
    """What is to be asked of a flow in which each of these names came once, if sources differ by
    so much; None where it cannot be told from the names."""
    if file.naming is not None:
        return None  # names are more than what events are called
    begins = [name for name in file.begins if name in present]
    ends = [name for name in file.ends if name in present]
    if len(begins) != 1 or len(ends) != 1 or begins == ends:
        return None
    end = ends[0]
    spans = [Span(begins[0], end, 0, FOREVER if file.within is None else file.within)]
    conditions: list[Condition] = []
    checks: list[Check] = []
    for rule, check in zip(file.rules, file.checks, strict=True):
        asked = rule.plainly(present, end, skew)
        if asked is None:
            checks.append(check)
            continue
        spans += (one for one in asked if isinstance(one, Span))
        conditions += (one for one in asked if not isinstance(one, Span))
    return Plain(file, end, tightest(spans), tuple(conditions), tuple(checks))
