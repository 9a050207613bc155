"""Options that many commands have, and what is made of them."""

import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from ui.moments import moment_if_given

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration; else ./nonevent.yaml.")
]
Url = Annotated[str | None, typer.Option(help="Ask the daemon at this address.")]
StorePath = Annotated[Path | None, typer.Option("--store", help="The store's file.")]
Rules = Annotated[
    list[Path],
    typer.Option(
        "--rules", help="Rule file or folder; may be repeated. Not while a daemon answers."
    ),
]
Token = Annotated[str | None, typer.Option(envvar="NONEVENT_TOKEN", help="The daemon's token.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]
Since = Annotated[str | None, typer.Option(help="A time (RFC 3339) or how far back (1h).")]
Cursor = Annotated[str | None, typer.Option(help="The `next` of the page before.")]


def micros(name: str, text: str | None) -> int | None:
    """The moment (µs) that this option tells; None where it is not given."""
    return moment_if_given(name, text, time.time())


def print_json(model: BaseModel) -> None:
    typer.echo(model.model_dump_json())
