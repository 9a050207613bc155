"""Progress of long work, for a person at a terminal; nothing where nobody looks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from collector.progress import Report


class _Rate(TransferSpeedColumn):
    """Rows a second."""

    def render(self, task):  # type: ignore[no-untyped-def]
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


@contextmanager
def progress(what: str, *, of_bytes: bool = False) -> Iterator[Report]:
    """Shows what is reported, with its rate and the time that is left."""
    measure = (
        [DownloadColumn(), TransferSpeedColumn()] if of_bytes else [MofNCompleteColumn(), _Rate()]
    )
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *measure,
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    task = shown.add_task(what, total=None)

    def report(done: int, of: int) -> None:
        shown.start()
        shown.update(task, completed=done, total=of or None)

    try:
        yield report
    finally:
        shown.stop()
