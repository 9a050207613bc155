"""The live cache of expectations about lag: how each stands, and what was found."""

from collections.abc import Iterable, Sequence

import duckdb

from analyzer.consumers.lag import RECENT, Lag, Lagging
from analyzer.finding import Finding
from analyzer.folds.judging import window_findings
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.transition import Transition, changes, retracted
from collector.consumers.observation import CommitRow, EndRow, GroupRow, WatchRow
from collector.store import observed

KEPT_NO_LONGER = "what it rests on is kept no longer"


class _Line:
    def __init__(self, file: RuleFile, lag: Lag) -> None:
        self.file, self.lag = file, lag
        self.lagging = Lagging(lag)
        self.found: dict[str, Finding] = {}
        """Those that stand, as they were announced."""


class LiveLags:
    """Give it rows as they come, take transitions."""

    def __init__(self, rules: RuleSet) -> None:
        self._lines = {
            key: _Line(file, fold)
            for key, (file, fold) in rules.folds.items()
            if isinstance(fold, Lag)
        }

    def mine(self, finding: Finding) -> bool:
        return (finding.type, finding.expectation) in self._lines

    def restore(
        self, cursor: duckdb.DuckDBPyConnection, standing: Iterable[Finding]
    ) -> list[Transition]:
        """Goes on with what was observed: from before what stands began."""
        found: list[Transition] = []
        for finding in standing:
            line = self._lines[finding.type, finding.expectation]
            if line.lag.options.version != finding.rule_version:
                found.append(retracted(finding, "rule changed"))
            elif finding.state == "open":
                line.found[finding.id] = finding
        watches = observed.watches(cursor)
        moment = min((watch.moment for watch in watches), default=0)
        for line in self._lines.values():
            began = [one.at for one in line.found.values()]
            since = min([moment, *began]) - line.lag.stands - RECENT
            seen = observed.since(cursor, since, line.lag.group)
            line.lagging.see(seen.groups, seen.commits, seen.ends, watches)
            # What was over before the restart has been told.
            line.lagging.over = [
                one for one in line.lagging.over
                if any(id in line.found for id in window_findings(line.file, line.lag, [one]))
            ]  # fmt: skip
        return found

    def see(
        self,
        groups: Sequence[GroupRow],
        commits: Sequence[CommitRow],
        ends: Sequence[EndRow],
        watches: Sequence[WatchRow],
    ) -> None:
        if groups or commits or ends or watches:
            for line in self._lines.values():
                line.lagging.see(groups, commits, ends, watches)

    def advance(self) -> list[Transition]:
        found: list[Transition] = []
        for line in self._lines.values():
            now = window_findings(line.file, line.lag, line.lagging.instances())
            if now or line.found:
                found += changes(line.found, now, _taken_back, over=False)
                line.found = {id: one for id, one in now.items() if one.state == "open"}
            line.lagging.over.clear()
        return found


def _taken_back(old: Finding) -> Transition:
    return retracted(old, KEPT_NO_LONGER)
