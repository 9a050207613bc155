"""Rule files while the daemon runs: which rules are live, and what is wrong with newer ones."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from analyzer.rules.loader import load, rule_files
from analyzer.rules.ruleset import RuleSet
from collector.errors import ConfigurationError

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between looks; a file that changes still is left for the next one."""
State = tuple[tuple[str, int, int], ...]


class RuleWatch:
    """Loads the rules, and loads them again when their files have changed and are right."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._state = self._look()
        self.rules: RuleSet = load(paths)
        self.errors: list[str] = []
        """What is wrong with the files as they are now; the rules are older ones then."""

    async def changed(self) -> RuleSet:
        """The next rules that are other ones than those that are live."""
        seen = self._state
        while True:
            await asyncio.sleep(PAUSE_S)
            now = await asyncio.to_thread(self._look)
            if now == self._state or now != seen:
                seen = now
                continue
            self._state = now
            rules = await asyncio.to_thread(self._load)
            if rules is None or _written(rules) == _written(self.rules):
                continue
            self.rules = rules
            return rules

    def _load(self) -> RuleSet | None:
        try:
            rules = load(self._paths)
        except ConfigurationError as error:
            self.errors = str(error).splitlines()
            log.error("the changed rules are refused, and those from before go on:\n%s", error)
            return None
        if self.errors:
            log.info("the rule files are right again")
        self.errors = []
        return rules

    def _look(self) -> State:
        """What tells that a file was written; one that is gone or cannot be read is a change."""
        try:
            stats = [(str(path), path.stat()) for path in rule_files(self._paths)]
        except (OSError, ConfigurationError) as error:
            return ((str(error), 0, 0),)
        return tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in stats)


def _written(rules: RuleSet) -> list[object]:
    """All that the files say, tests aside: what judges, who runs which step, and words."""
    found = []
    for file in rules.files:
        said = None if file.written is None else file.written.plain()
        found.append({**said, "tests": None} if isinstance(said, dict) else said)
    return found
