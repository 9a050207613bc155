"""Judging a handful of events without a bus: the tests of rule files, and cases of all kinds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from analyzer.finding import Finding, findings
from analyzer.judge import Judged, judge
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.rules.tests import RuleTest
from analyzer.sight import Sight
from collector.event import Event


@dataclass(frozen=True)
class Trial:
    """What a file says of these events: settled, and what was found and taken back before."""

    judged: tuple[Judged, ...]
    findings: tuple[Finding, ...]
    retracted: tuple[Finding, ...]


def trial(file: RuleFile, events: Sequence[Event], until: int, grace: int = 0) -> Trial:
    """Events with arrival ≤ `until` are seen, and completeness is `until`."""
    judged = tuple(_judged(file, [e for e in events if e.arrival <= until], until, grace))
    settled = tuple(_found(file, judged))
    ids = {finding.id for finding in settled}
    retracted: dict[str, Finding] = {}
    for moment in sorted({e.arrival for e in events if e.arrival <= until}):
        # Just before these arrive, everything that happened until then counts as seen.
        before = _judged(file, [e for e in events if e.arrival < moment], moment, grace)
        for finding in _found(file, before):
            if finding.id not in ids:
                retracted[finding.id] = msgspec.structs.replace(finding, state="retracted")
    return Trial(judged, settled, tuple(retracted.values()))


def _judged(file: RuleFile, events: Sequence[Event], until: int, grace: int) -> Iterator[Judged]:
    flows: dict[str, list[Event]] = {}
    for event in events:
        for flow in event.correlation_ids:
            flows.setdefault(flow, []).append(event)
    sight = Sight.everything_until(until, grace)
    for flow, members in flows.items():
        yield from judge(flow, members, file, sight)


def _found(file: RuleFile, judged: Sequence[Judged] | Iterator[Judged]) -> Iterator[Finding]:
    rules = RuleSet.of([file]).by_name
    for one in judged:
        yield from findings(one, rules)


@dataclass(frozen=True)
class Verdict:
    """How a test of a rule file went: what was wanted and not found, what was found besides."""

    file: RuleFile
    test: RuleTest
    missing: tuple[dict[str, str], ...]
    surplus: tuple[Finding, ...]
    trial: Trial

    @property
    def passed(self) -> bool:
        return not self.missing and not self.surplus


def run_test(file: RuleFile, test: RuleTest) -> Verdict:
    """Expected and actual findings must match one to one, each on the fields that it gives."""
    result = trial(file, test.events, test.until)
    actual = [*result.findings, *result.retracted]
    missing = []
    # The most particular first, so that a general one does not take what another needs.
    for wanted in sorted(test.expected, key=len, reverse=True):
        match = next((finding for finding in actual if _matches(finding, wanted)), None)
        if match is None:
            missing.append(wanted)
        else:
            actual.remove(match)
    surplus = () if test.others_allowed else tuple(f for f in actual if f.state != "retracted")
    return Verdict(file, test, tuple(missing), surplus, result)


def _matches(finding: Finding, wanted: dict[str, str]) -> bool:
    if "state" not in wanted and finding.state == "retracted":
        return False
    return all(getattr(finding, field) == value for field, value in wanted.items())
