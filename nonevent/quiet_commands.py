"""Commands that keep alerts quiet, or say what else was going on: silences and marks."""

import time
from typing import Annotated

import typer

from analyzer.alerts.matching import BadMatcherError, fits_anything, parse_all
from nonevent import alert_terminal
from nonevent.acting import acting
from nonevent.alert_commands import (
    Author,
    Comment,
    author_of,
    print_act,
)
from nonevent.asking import asking
from nonevent.options import Config, Cursor, Json, Limit, StorePath, Token, Url, print_json
from ui.acts import period
from ui.alert_models import PeriodState
from ui.errors import BadParameterError

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Id = Annotated[int, typer.Argument(help="Its number in the list.")]
Matchers = Annotated[list[str], typer.Argument(help="All must fit: team=payments, region=~eu-.*")]
From = Annotated[str | None, typer.Option("--from", help="When it begins; else now.")]
Until = Annotated[str | None, typer.Option("--until", help="When it ends (RFC 3339).")]
For = Annotated[str | None, typer.Option("--for", help="How long it lasts: 30m, 2h.")]
State = Annotated[PeriodState | None, typer.Option(help="How it stands.")]

silences = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Keep alerts quiet for a time."
)
marks = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Mark deploys and maintenance."
)


@silences.command("add")
def add_silence(
    matchers: Matchers, since: From = None, until: Until = None, lasting: For = None,
    author: Author = None, comment: Comment = "", yes: Yes = False,
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Tell nobody of alerts that fit, until it ends: they are judged and stored all the same.

    Examples:

      nonevent silence add team=payments severity!=critical --for 2h --comment "release 12"

      nonevent silence add alert=3f2a91… --until 2026-03-01T10:00:00Z
    """
    starts, ends = period(since, until, lasting, time.time())
    confirmed = _confirmed(matchers, "silence", yes)
    with acting(config, url, store, token) as (doing, _):
        made = doing.silence(matchers, starts, ends, author_of(author), comment, confirm=confirmed)
    print_json(made) if json else alert_terminal.print_period("silence", made)


@silences.command("list")
def list_silences(
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False, state: State = None, limit: Limit = 20, cursor: Cursor = None,
) -> None:  # fmt: skip
    """List silences, the newest first.

    Example: nonevent silence list --state active
    """
    with asking(config, url, store, [], token) as queries:
        page = queries.silences(state=state, limit=limit, cursor=cursor)
    print_json(page) if json else alert_terminal.print_silences(page)


@silences.command("expire")
def expire_silence(
    id: Id, author: Author = None, comment: Comment = "",
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False,
) -> None:  # fmt: skip
    """End a silence before its time.

    Example: nonevent silence expire 17
    """
    with acting(config, url, store, token) as (doing, _):
        print_act(doing.expire(id, author_of(author), comment), json)


@marks.command("deploy")
def mark_deploy(
    matchers: Annotated[list[str], typer.Argument(help="What it is about: team=payments")] = [],  # noqa: B006
    since: From = None, until: Until = None, lasting: For = None,
    author: Author = None, comment: Comment = "",
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Mark a deploy: it is shown beside alerts that begin after it, and silences nothing.

    Example: nonevent mark deploy team=payments --comment "payments 4.2"
    """
    starts, ends = period(since, until, lasting, time.time())
    with acting(config, url, store, token) as (doing, _):
        made = doing.mark("deploy", matchers, starts, ends, author_of(author), comment)
    print_json(made) if json else alert_terminal.print_period("mark", made)


@marks.command("maintenance")
def mark_maintenance(
    matchers: Matchers, since: From = None, until: Until = None, lasting: For = None,
    author: Author = None, comment: Comment = "", yes: Yes = False,
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Mark maintenance: alerts that fit are told to nobody until it ends.

    Example: nonevent mark maintenance region=eu --for 1h --comment "database moves"
    """
    starts, ends = period(since, until, lasting, time.time())
    sure = _confirmed(matchers, "maintenance", yes)
    with acting(config, url, store, token) as (doing, _):
        made = doing.mark(
            "maintenance", matchers, starts, ends, author_of(author), comment, confirm=sure
        )
    print_json(made) if json else alert_terminal.print_period("mark", made)


@marks.command("list")
def list_marks(
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False, state: State = None, limit: Limit = 20, cursor: Cursor = None,
) -> None:  # fmt: skip
    """List marks, the newest first.

    Example: nonevent mark list
    """
    with asking(config, url, store, [], token) as queries:
        page = queries.marks(state=state, limit=limit, cursor=cursor)
    print_json(page) if json else alert_terminal.print_marks(page)


@marks.command("end")
def end_mark(
    id: Id, author: Author = None, comment: Comment = "",
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False,
) -> None:  # fmt: skip
    """End maintenance (or a deploy that lasts) before its time.

    Example: nonevent mark end 18
    """
    with acting(config, url, store, token) as (doing, _):
        print_act(doing.end_mark(id, author_of(author), comment), json)


def _confirmed(matchers: list[str], what: str, yes: bool) -> bool:
    """Whoever keeps everything quiet is asked whether that is meant."""
    try:
        everything = fits_anything(parse_all(matchers))
    except BadMatcherError as error:
        raise BadParameterError("matchers", str(error)) from error
    if everything and not yes:
        asked = f"This {what} ({' '.join(matchers)}) fits every alert. Is that meant?"
        try:
            sure = typer.confirm(asked, err=True)
        except typer.Abort:  # nobody there to ask
            sure = False
        if not sure:
            raise typer.Exit(2)
    return True


def register(app: typer.Typer) -> None:
    """Makes these commands of `nonevent`."""
    app.add_typer(silences, name="silence")
    app.add_typer(marks, name="mark")
