"""Judging a handful of events without a bus: the tests of rule files, and cases of all kinds."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from analyzer.consumers.lag import Lag, Lagging
from analyzer.consumers.stated import Stated
from analyzer.finding import Finding, findings
from analyzer.folds.fold import Window
from analyzer.folds.judging import JudgedWindow, judge_windows, window_findings
from analyzer.judge import Judged, judge
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.rules.tests import RuleTest, StatedCommit
from analyzer.sight import Sight
from collector.event import Event


@dataclass(frozen=True)
class Trial:
    """What a file says of these events: settled, and what was found and taken back before."""

    judged: tuple[Judged, ...]
    windows: tuple[JudgedWindow, ...]
    findings: tuple[Finding, ...]
    retracted: tuple[Finding, ...] = ()


def trial(
    file: RuleFile,
    events: Sequence[Event],
    until: int,
    grace: int = 0,
    since: int | None = None,
    commits: Sequence[StatedCommit] | None = None,
) -> Trial:
    """Events with arrival ≤ `until` are seen, and completeness is `until`. Windows of time are
    judged that begin at `since` or later (else at the first event)."""
    if since is None:
        since = min((event.time for event in events), default=until)
    stated = None if commits is None else Stated(commits, events, since)
    settled = _judged(file, [e for e in events if e.arrival <= until], since, until, grace, stated)
    ids = {finding.id for finding in settled.findings}
    retracted: dict[str, Finding] = {}
    for moment in sorted({e.arrival for e in events if e.arrival <= until}):
        # Just before these arrive, everything that happened until then counts as seen.
        seen = [e for e in events if e.arrival < moment]
        before = _judged(file, seen, since, moment, grace, stated)
        for finding in before.findings:
            if finding.id not in ids:
                retracted[finding.id] = msgspec.structs.replace(finding, state="retracted")
    return dataclasses.replace(settled, retracted=tuple(retracted.values()))


def _judged(
    file: RuleFile,
    events: Sequence[Event],
    since: int,
    until: int,
    grace: int,
    stated: Stated | None,
) -> Trial:
    flows: dict[str, list[Event]] = {}
    for event in events:
        for flow in event.correlation_ids:
            flows.setdefault(flow, []).append(event)
    sight = Sight.everything_until(until, grace)
    sight.consumed = None if stated is None else stated.consumed(until)
    judged = [one for flow, members in flows.items() for one in judge(flow, members, file, sight)]
    windows = (*judge_windows(file, events, sight, since, until), *_lags(file, stated, until))
    rules = RuleSet.of([file]).by_name
    found = [finding for one in judged for finding in findings(one, rules)]
    for window in windows:
        found += window_findings(file, window.fold, window.instances).values()
    return Trial(tuple(judged), windows, tuple(found))


def _lags(file: RuleFile, stated: Stated | None, until: int) -> Iterator[JudgedWindow]:
    for fold in file.folds:
        if isinstance(fold, Lag):
            lagging = Lagging(fold)
            if stated is not None:
                rows = stated.until(until)
                lagging.see(rows.groups, rows.commits, rows.ends, [stated.watch(until)])
            window = Window(until, until, until, ())
            yield JudgedWindow(fold, window, lagging.instances())


@dataclass(frozen=True)
class Verdict:
    """How a test of a rule file went: what was wanted and found, wanted and not, found besides."""

    file: RuleFile
    test: RuleTest
    found: tuple[Finding, ...]
    missing: tuple[dict[str, str], ...]
    surplus: tuple[Finding, ...]
    trial: Trial

    @property
    def passed(self) -> bool:
        return not self.missing and not self.surplus


def run_test(file: RuleFile, test: RuleTest) -> Verdict:
    """Expected and actual findings must match one to one, each on the fields that it gives."""
    result = trial(file, test.events, test.until, since=test.start, commits=test.commits)
    actual = [*result.findings, *result.retracted]
    found, missing = [], []
    # The most particular first, so that a general one does not take what another needs.
    for wanted in sorted(test.expected, key=len, reverse=True):
        match = next((finding for finding in actual if _matches(finding, wanted)), None)
        if match is None:
            missing.append(wanted)
        else:
            actual.remove(match)
            found.append(match)
    surplus = () if test.others_allowed else tuple(f for f in actual if f.state != "retracted")
    return Verdict(file, test, tuple(found), tuple(missing), surplus, result)


def _matches(finding: Finding, wanted: dict[str, str]) -> bool:
    if "state" not in wanted and finding.state == "retracted":
        return False
    return all(getattr(finding, field) == value for field, value in wanted.items())
