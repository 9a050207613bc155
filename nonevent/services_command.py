"""`nonevent services`: who runs which step, and whether what it took in came out again."""

import time
from pathlib import Path
from typing import Annotated

import typer

from nonevent.asking import asking
from nonevent.service_terminal import print_service, print_services
from nonevent.store_commands import Config, StorePath, Token, Url
from ui.models import ServiceItem
from ui.moments import parse_moment

Rules = Annotated[list[Path], typer.Option("--rules", help="Rule file or folder; may be repeated.")]


def services(
    service: Annotated[
        str | None, typer.Argument(help="Of this service or group alone, minute by minute.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="A time (RFC 3339) or how far back; else 1h.")
    ] = None,
    config: Config = None, url: Url = None, store: StorePath = None,
    rules: Rules = [],  # noqa: B006  # Typer copies it
    token: Token = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")] = False,
) -> None:  # fmt: skip
    """Show who runs which step, declared or learned, and what it took in against what came out.

    Exit code 1 when something is unaccounted for of a service that is declared, or likely.

    Examples:

      nonevent services

      nonevent services payment --since 6h
    """
    moment = None if since is None else parse_moment("since", since, time.time())
    with asking(config, url, store, rules, token) as queries:
        page = queries.services(service=service, since=moment)
    if json:
        typer.echo(page.model_dump_json())
    elif service is None or not page.items:
        print_services(page)
    else:
        print_service(page)
    raise typer.Exit(1 if any(_lost(one) for one in page.items) else 0)


def _lost(one: ServiceItem) -> bool:
    return bool(one.balance and one.balance.unaccounted and one.confidence != "possible")
