"""`nonevent check`: what is said of rule files."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from analyzer.rules.loader import check


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
