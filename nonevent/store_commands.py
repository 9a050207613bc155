"""Commands for the store as a whole: what is in it goes out, is copied, comes back."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from collector.export import Selection
from nonevent.asking import asking
from ui.moments import parse_moment

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration; else ./nonevent.yaml.")
]
Url = Annotated[str | None, typer.Option(help="Ask the daemon at this address.")]
StorePath = Annotated[Path | None, typer.Option("--store", help="The store's file.")]
Token = Annotated[str | None, typer.Option(envvar="NONEVENT_TOKEN", help="The daemon's token.")]
Moment = Annotated[str | None, typer.Option(help="A time (RFC 3339) or how far back (1h).")]


def export(
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    since: Moment = None, until: Moment = None,
    topic: Annotated[str | None, typer.Option(help="Of this topic.")] = None,
    flow: Annotated[str | None, typer.Option(help="Of this flow.")] = None,
) -> None:  # fmt: skip
    """Write stored events to standard output, a JSON object a line: what a file source reads.

    Examples:

      nonevent export --since 1h > events.jsonl

      nonevent export --flow ord-00123
    """
    now = time.time()
    wanted = Selection(
        None if since is None else parse_moment("since", since, now),
        None if until is None else parse_moment("until", until, now),
        topic,
        flow,
    )
    with asking(config, url, store, [], token) as queries:
        for lines in queries.export(wanted):
            sys.stdout.buffer.write(lines)
    sys.stdout.flush()


def register(app: typer.Typer) -> None:
    """Makes these commands of `nonevent`."""
    for command in (export,):
        app.command()(command)
