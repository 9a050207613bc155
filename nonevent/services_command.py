"""`nonevent services`: who runs which step, and whether what it took in came out again."""

from typing import Annotated

import typer

from nonevent.asking import asking
from nonevent.options import Config, Rules, StorePath, Token, Url, micros, print_json
from nonevent.service_terminal import print_service, print_services
from ui.models import ServiceItem


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
    with asking(config, url, store, rules, token) as queries:
        page = queries.services(service=service, since=micros("since", since))
    if json:
        print_json(page)
    elif service is None or not page.items:
        print_services(page)
    else:
        print_service(page)
    raise typer.Exit(1 if any(_lost(one) for one in page.items) else 0)


def _lost(one: ServiceItem) -> bool:
    return bool(one.balance and one.balance.unaccounted and one.confidence != "possible")
