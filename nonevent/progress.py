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


def beside_output() -> bool:
    """Whether a person looks while standard output goes elsewhere."""
    return sys.stderr.isatty() and not sys.stdout.isatty()


@contextmanager
def progress(what: str, *, of_bytes: bool = False, shown: bool = True) -> Iterator[Report]:
    """Shows what is reported, with its rate and, where it is known how much there is, the time
    that is left."""
    measure = (
        [DownloadColumn(), TransferSpeedColumn()] if of_bytes else [MofNCompleteColumn(), _Rate()]
    )
    display = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *measure,
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not (shown and sys.stderr.isatty()),
        transient=True,
    )
    task = display.add_task(what, total=None)

    def report(done: int, of: int) -> None:
        display.start()
        display.update(task, completed=done, total=of or None)

    try:
        yield report
    finally:
        display.stop()
