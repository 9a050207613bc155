"""`nonevent test`: runs the tests inside rule files, and tells of each how it went."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import typer

from analyzer.finding import Finding
from analyzer.notification import finding_line
from analyzer.rules.loader import RuleError, check
from analyzer.rules.ruleset import RuleFile
from analyzer.rules.tests import RuleTest
from analyzer.trial import Verdict, run_test
from collector.errors import ConfigurationError
from collector.times import format_duration
from nonevent.junit import report
from nonevent.rule_timeline import timeline


@dataclass(frozen=True)
class Ran:
    """A test that was run, and how long (µs) that took."""

    verdict: Verdict
    took: int

    @property
    def name(self) -> str:
        return self.verdict.test.name

    @property
    def path(self) -> Path:
        return self.verdict.file.path

    @property
    def line(self) -> int:
        return self.verdict.test.place.line

    @property
    def passed(self) -> bool:
        return self.verdict.passed


def run_tests(paths: Sequence[Path], pattern: str | None, junit: Path | None, json: bool) -> int:
    """Every test of every file whose name fits; 1 when one fails, 2 when a file is wrong."""
    files, problems = check(paths)
    errors = [problem for problem in problems if not problem.warning]
    if errors:
        raise RuleError(errors)
    chosen = [(f, test) for f in files for test in f.tests if _fits(f, test, pattern)]
    if pattern is not None and not chosen:
        count = sum(len(file.tests) for file in files)
        raise ConfigurationError(f"-k: none of {count} tests has `{pattern}` in its name or file")
    ran = [_run(file, test) for file, test in chosen]
    if junit is not None:
        _write(junit, ran)
    if json:
        typer.echo(msgspec.json.encode([_told(one) for one in ran]))
    else:
        _print(files, ran)
    return 0 if all(one.passed for one in ran) else 1


def _fits(file: RuleFile, test: RuleTest, pattern: str | None) -> bool:
    return pattern is None or pattern.casefold() in f"{file.path} {test.name}".casefold()


def _run(file: RuleFile, test: RuleTest) -> Ran:
    began = time.perf_counter_ns()
    verdict = run_test(file, test)
    return Ran(verdict, (time.perf_counter_ns() - began) // 1000)


def _write(path: Path, ran: Sequence[Ran]) -> None:
    cases = [
        (str(one.path), one.name, one.line, one.took, None if one.passed else _failure(one.verdict))
        for one in ran
    ]
    try:
        path.write_bytes(report(cases))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def _told(one: Ran) -> dict[str, object]:
    verdict = one.verdict
    return {
        "file": str(one.path),
        "line": one.line,
        "test": one.name,
        "passed": one.passed,
        "seconds": one.took / 1e6,
        "not_found": list(verdict.missing),
        "not_expected": [finding_line(finding) for finding in verdict.surplus],
    }


def _print(files: Sequence[RuleFile], ran: Sequence[Ran]) -> None:
    if not ran:
        where = ", ".join(str(file.path) for file in files) or "there"
        typer.echo(f"no tests in {where}: add a `tests:` block")
        return
    for one in ran:
        # Laid out before it is coloured: a colour counts as letters.
        mark = typer.style("  ok", fg="green") if one.passed else typer.style("FAIL", fg="red")
        took = typer.style(f"({format_duration(one.took)})", dim=True)
        typer.echo(f"{mark}  {one.path}:{one.line}  {one.name}  {took}")
        if not one.passed:
            for line in _failure(one.verdict):
                typer.echo(f"      {_coloured(line)}")
    failed = sum(not one.passed for one in ran)
    took = format_duration(sum(one.took for one in ran))
    typer.echo(f"{len(ran) - failed} passed, {failed} failed in {took}")


def _coloured(line: str) -> str:
    colour = {"-": "red", "+": "green"}.get(line[:1])
    return line if colour is None else typer.style(line, fg=colour)


def _failure(verdict: Verdict) -> list[str]:
    """What was expected (-), what was found instead (+), what was both; then what happened."""
    lines = [f"  {_named(finding)}" for finding in verdict.found]
    for wanted in verdict.missing:
        fields = ", ".join(f"{key}: {value}" for key, value in wanted.items())
        lines.append(f"- expected, not found: {fields}")
    for finding in verdict.surplus:
        lines.append(f"+ found, not expected: {_named(finding)}: {finding.text}")
    return [*lines, *timeline(verdict)]


def _named(finding: Finding) -> str:
    return f"{finding.expectation}: {finding.finding} in {finding.flow}"
