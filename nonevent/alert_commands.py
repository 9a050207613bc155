"""Commands for alerts: what they are, and what people do about them."""

import getpass
from collections.abc import Callable
from typing import Annotated

import typer

from collector.errors import ConfigurationError
from nonevent import alert_terminal
from nonevent.acting import acting
from nonevent.asking import asking
from nonevent.options import (
    Config,
    Cursor,
    Json,
    Limit,
    Since,
    StorePath,
    Token,
    Url,
    micros,
    print_json,
)
from ui.alert_models import Act, ActKind, ActPage, AlertState
from ui.errors import NothingSuchError
from ui.queries import Queries

Author = Annotated[str | None, typer.Option(help="Who you are; else your login name.")]
Comment = Annotated[str, typer.Option(help="Why: it stands in the audit trail.")]
MaybeFingerprint = Annotated[
    str | None, typer.Argument(help="The alert's fingerprint, or how it begins.")
]
OfExpectation = Annotated[
    str | None, typer.Option("--expectation", help="All alerts of this expectation that stand.")
]
MOST = 1_000
Do = Callable[[str, str, str], Act]
"""What is done to one alert: its fingerprint, by whom, and why."""


def alerts(
    fingerprint: MaybeFingerprint = None,
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False, limit: Limit = 20,
    state: Annotated[AlertState | None, typer.Option(help="How it stands.")] = None,
    expectation: Annotated[str | None, typer.Option(help="Of this expectation.")] = None,
    severity: Annotated[str | None, typer.Option(help="Of this severity.")] = None,
    label: Annotated[
        list[str], typer.Option(help="A matcher, such as team=payments; may be repeated.")
    ] = [],  # noqa: B006  # Typer copies it
    since: Since = None, cursor: Cursor = None,
) -> None:  # fmt: skip
    """List alerts, the one that changed last first; or show one. Exit code 1 when any is firing.

    Examples:

      nonevent alerts --state firing --label team=payments

      nonevent alerts 3f2a
    """
    with asking(config, url, store, [], token) as queries:
        if fingerprint is not None:
            one = queries.alert(fingerprint)
            print_json(one) if json else alert_terminal.print_alert(one)
            raise typer.Exit(1 if one.state == "firing" else 0)
        page = queries.alerts(
            state=state, expectation=expectation, severity=severity, label=label,
            since=micros("since", since), limit=limit, cursor=cursor,
        )  # fmt: skip
    print_json(page) if json else alert_terminal.print_alerts(page)
    raise typer.Exit(1 if any(one.state == "firing" for one in page.items) else 0)


def ack(
    fingerprint: MaybeFingerprint = None, expectation: OfExpectation = None,
    author: Author = None, comment: Comment = "",
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Say that you look after an alert: nobody hears of it again before it is over.

    Examples:

      nonevent ack 3f2a --comment "payments is restarting"

      nonevent ack --expectation "payment follows order"
    """
    with acting(config, url, store, token) as (doing, queries):
        _each(fingerprint, expectation, queries, doing.acknowledge, author, comment, json)


def unack(
    fingerprint: MaybeFingerprint = None, expectation: OfExpectation = None,
    author: Author = None, comment: Comment = "",
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Take an acknowledgement back.

    Example: nonevent unack 3f2a
    """
    with acting(config, url, store, token) as (doing, queries):
        _each(fingerprint, expectation, queries, doing.take_back, author, comment, json)


def close(
    fingerprint: MaybeFingerprint = None, expectation: OfExpectation = None,
    finding: Annotated[str | None, typer.Option(help="This one finding.")] = None,
    author: Author = None, comment: Comment = "",
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Close the findings of an alert that stand now, or one finding: they are known and done with.

    Examples:

      nonevent close 3f2a --comment "refunded by hand"

      nonevent close --finding 5f0c1b2a
    """
    if finding is not None and (fingerprint or expectation):
        raise ConfigurationError("--finding: name either one finding or an alert")
    with acting(config, url, store, token) as (doing, queries):
        if finding is not None:
            print_act(doing.close_finding(finding, author_of(author), comment), json)
            return
        _each(fingerprint, expectation, queries, doing.close, author, comment, json)


def acts(
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False, limit: Limit = 20,
    kind: Annotated[ActKind | None, typer.Option(help="Of this kind.")] = None,
    author: Annotated[str | None, typer.Option(help="Of this person.")] = None,
    alert: Annotated[str | None, typer.Option(help="About this alert (its fingerprint).")] = None,
    since: Since = None, cursor: Cursor = None,
) -> None:  # fmt: skip
    """Show who did what: the audit trail, the newest first.

    Example: nonevent acts --since 7d
    """
    with asking(config, url, store, [], token) as queries:
        page = queries.acts(
            kind=kind, author=author, alert=alert, since=micros("since", since), limit=limit,
            cursor=cursor,
        )  # fmt: skip
    print_json(page) if json else alert_terminal.print_acts(page)


def _each(
    fingerprint: str | None,
    expectation: str | None,
    queries: Queries,
    do: Do,
    author: str | None,
    comment: str,
    json: bool,
) -> None:
    """To one alert, or to all of an expectation that stand."""
    if (fingerprint is None) == (expectation is None):
        raise ConfigurationError("name either an alert, by its fingerprint, or an --expectation")
    by = author_of(author)
    if fingerprint is not None:
        print_act(do(fingerprint, by, comment), json)
        return
    standing = [
        one.fingerprint
        for state in ("firing", "pending")
        for one in queries.alerts(state=state, expectation=expectation, limit=MOST).items
    ]
    if not standing:
        raise NothingSuchError(
            f"no alert of {expectation!r} stands: `nonevent alerts` lists those that do"
        )
    done = ActPage(items=[do(one, by, comment) for one in standing], next=None)
    print_json(done) if json else alert_terminal.print_acts(done)


def author_of(author: str | None) -> str:
    """Whoever has said nothing else is known by the name that they logged in by."""
    if author is not None:
        return author
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ConfigurationError("this user has no name here: say who you are: --author") from error


def print_act(act: Act, json: bool) -> None:
    print_json(act) if json else alert_terminal.print_act(act)


def register(app: typer.Typer) -> None:
    """Makes these commands of `nonevent`."""
    for command in (alerts, ack, unack, close, acts):
        app.command()(command)
