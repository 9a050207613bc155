"""The gallery: each example is a rule file that `nonevent test` passes, and what it shows is said.

After a change of the texts: `REWRITE=1 .venv/bin/pytest tests/test_gallery.py`, and read the diff.
"""

import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analyzer.folds.table import FOLDS
from analyzer.kinds.table import KINDS
from analyzer.rules.loader import load
from analyzer.trial import run_test
from collector.times import US_PER_S
from nonevent.cli import app

PAGE = Path(__file__).parent.parent / "docs" / "gallery.md"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
SECTION = re.compile(r"^## (\w+): .+?\n```yaml\n(.*?)```\n\n```text\n(.*?)```\n", re.S | re.M)


def sections() -> dict[str, tuple[str, str]]:
    """By kind its rule file, and what one sees."""
    return {kind: (rules, seen) for kind, rules, seen in SECTION.findall(PAGE.read_text())}


SECTIONS = sections()


def since(start: int) -> Callable[[re.Match[str]], str]:
    """A moment as the time since the test's start, as the example's events give theirs."""

    def told(moment: re.Match[str]) -> str:
        us = int(datetime.fromisoformat(moment[0]).timestamp()) * US_PER_S
        after = timedelta(microseconds=us - start)
        clock = timedelta(seconds=after.seconds)
        days = [f"{after.days}d"] if after.days else []
        return " ".join([*days, *([str(clock)] if clock or not days else [])])

    return told


def said(path: Path) -> str:
    """What the tests of a file find, a line each."""
    (file,) = load([path]).files
    lines = []
    for test in file.tests:
        for finding in run_test(file, test).trial.findings:
            text = MOMENT.sub(since(test.start), finding.text)
            lines.append(f"{finding.finding}: {finding.expectation}\n    {text}\n")
    return "".join(lines)


@pytest.mark.parametrize("kind", [kind.name for kind in (*KINDS, *FOLDS)])
def test_every_kind_has_an_example_that_uses_it(kind: str) -> None:
    rules, seen = SECTIONS[kind]
    assert re.search(rf"^ +(- )?{kind}:", rules, re.M)
    assert seen


def test_comparing_agreeing_alone_and_what_a_name_means_have_examples() -> None:
    assert "compared_to:" in SECTIONS["compared_to"][0]
    assert "across:" not in SECTIONS["agree_alone"][0]
    assert re.search(r"^events:", SECTIONS["events"][0], re.M)


@pytest.mark.parametrize("kind", SECTIONS)
def test_an_example_passes_as_it_stands(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(SECTIONS[kind][0])
    for command in ("check", "test"):
        result = CliRunner().invoke(app, [command, str(path)])
        assert result.exit_code == 0, result.output
        assert "warning" not in result.output


@pytest.mark.parametrize("kind", SECTIONS)
def test_what_an_example_shows_is_what_one_is_told(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    rules, seen = SECTIONS[kind]
    path.write_text(rules)
    if os.environ.get("REWRITE"):
        page = PAGE.read_text()
        old = f"{rules}```\n\n```text\n{seen}```"
        PAGE.write_text(page.replace(old, f"{rules}```\n\n```text\n{said(path)}```"))
        return
    assert seen == said(path)


def test_every_finding_of_the_kinds_is_shown() -> None:
    shown = "".join(seen for _, seen in SECTIONS.values())
    for kind in (*KINDS, *FOLDS):
        for finding in kind.findings:
            assert f"{finding}: " in shown, finding
