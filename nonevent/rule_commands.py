"""`nonevent check`: what is said of rule files."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from analyzer.rules.checker import Problem
from analyzer.rules.doubts import doubts
from analyzer.rules.loader import check
from nonevent.check_past import Where, past_problems


def check_rules(paths: Sequence[Path], where: Where, json: bool) -> int:
    """Prints every problem; 2 when one of them is an error."""
    files, problems = check(paths)
    errors = [problem for problem in problems if not problem.warning]
    if not errors:
        # What is wrong is mended first: of the rest it is not known yet what is meant.
        told = [*problems, *(doubt for file in files for doubt in doubts(file))]
        told += past_problems(files, where)
        problems = _in_order([file.path for file in files], told)
    count = sum(len(file.expectations()) for file in files)
    if json:
        typer.echo(_as_json([file.path for file in files], problems, count))
        return 2 if errors or not files else 0
    for problem in problems:
        typer.echo(str(problem), err=not problem.warning)
    if errors:
        typer.echo(f"{len(errors)} mistake{'s' if len(errors) != 1 else ''}", err=True)
        return 2
    if not files:
        typer.echo("no rule files there: they end in .yaml", err=True)
        return 2
    typer.echo(f"{len(files)} file{'s' if len(files) != 1 else ''}, {count} expectations: fine")
    return 0


def _in_order(files: Sequence[Path], problems: Sequence[Problem]) -> list[Problem]:
    """Every problem once, by file and place."""
    number = {path: at for at, path in enumerate(files)}
    return sorted(
        dict.fromkeys(problems),
        key=lambda p: (number.get(p.path, -1), p.place.line, p.place.column),
    )


def _as_json(files: Sequence[Path], problems: Sequence[Problem], expectations: int) -> bytes:
    told = {
        "files": [str(path) for path in files],
        "expectations": expectations,
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
    return msgspec.json.encode(told)
