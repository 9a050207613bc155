"""`nonevent check` and `nonevent test`: what is said of rule files."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from analyzer.notification import finding_line
from analyzer.rules.loader import RuleError, check
from analyzer.rules.ruleset import RuleFile
from analyzer.trial import Verdict, run_test
from collector.event import ORDER
from collector.times import format_duration


def check_rules(paths: Sequence[Path], json: bool) -> int:
    """Prints every problem; 2 when one of them is an error."""
    files, problems = check(paths)
    errors = [problem for problem in problems if not problem.warning]
    if json:
        told = {
            "files": [str(file.path) for file in files],
            "expectations": sum(len(file.expectations()) for file in files),
            "problems": [
                {
                    "file": str(problem.path),
                    "line": problem.place.line,
                    "column": problem.place.column,
                    "severity": "warning" if problem.warning else "error",
                    "what": problem.what,
                }
                for problem in problems
            ],
        }
        typer.echo(msgspec.json.encode(told))
        return 2 if errors or not files else 0
    for problem in problems:
        typer.echo(str(problem), err=not problem.warning)
    if errors:
        typer.echo(f"{len(errors)} mistake{'s' if len(errors) != 1 else ''}", err=True)
        return 2
    if not files:
        typer.echo("no rule files there: they end in .yaml", err=True)
        return 2
    count = sum(len(file.expectations()) for file in files)
    typer.echo(f"{len(files)} file{'s' if len(files) != 1 else ''}, {count} expectations: fine")
    return 0


def test_rules(paths: Sequence[Path], json: bool) -> int:
    """Runs every test of every file; 1 when one fails, 2 when a file is wrong."""
    files, problems = check(paths)
    errors = [problem for problem in problems if not problem.warning]
    if errors:
        raise RuleError(errors)
    verdicts = [run_test(file, test) for file in files for test in file.tests]
    if json:
        typer.echo(msgspec.json.encode([_told(verdict) for verdict in verdicts]))
    else:
        _print(files, verdicts)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _told(verdict: Verdict) -> dict[str, object]:
    return {
        "file": str(verdict.file.path),
        "line": verdict.test.place.line,
        "test": verdict.test.name,
        "passed": verdict.passed,
        "not_found": list(verdict.missing),
        "not_expected": [finding_line(finding) for finding in verdict.surplus],
    }


def _print(files: Sequence[RuleFile], verdicts: Sequence[Verdict]) -> None:
    if not verdicts:
        where = ", ".join(str(file.path) for file in files) or "there"
        typer.echo(f"no tests in {where}: add a `tests:` block")
        return
    for verdict in verdicts:
        # Laid out before it is coloured: a colour counts as letters.
        mark = typer.style("  ok", fg="green") if verdict.passed else typer.style("FAIL", fg="red")
        typer.echo(f"{mark}  {verdict.file.path}:{verdict.test.place.line}  {verdict.test.name}")
        if not verdict.passed:
            _print_failure(verdict)
    failed = sum(not verdict.passed for verdict in verdicts)
    typer.echo(f"{len(verdicts) - failed} passed, {failed} failed")


def _print_failure(verdict: Verdict) -> None:
    for wanted in verdict.missing:
        fields = ", ".join(f"{key}: {value}" for key, value in wanted.items())
        typer.echo(f"      - expected, not found: {fields}")
    for finding in verdict.surplus:
        typer.echo(
            f"      + found, not expected: {finding.expectation}: {finding.finding} "
            f"in {finding.flow}: {finding.text}"
        )
    for event in sorted(verdict.test.events, key=ORDER):
        typer.echo(f"        {format_duration(event.time - verdict.test.start):>8}  {event.name}")
    typer.echo(f"        {format_duration(verdict.test.until - verdict.test.start):>8}  (until)")
