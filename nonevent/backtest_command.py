"""`nonevent backtest`: what rules would have found in what is stored, or in a file of events."""

import time
from pathlib import Path
from typing import Annotated

import typer

from nonevent.asking import configured
from nonevent.config import Configuration
from nonevent.options import Config, StorePath, Token, Url
from ui.moments import moment_if_given

Rules = Annotated[
    list[Path],
    typer.Option("--rules", help="Rule file or folder; else the configuration's. Repeatable."),
]
Against = Annotated[
    list[Path],
    typer.Option("--against", help="Rules to compare with; else the configuration's. Repeatable."),
]
Until = Annotated[
    str | None, typer.Option(help="As all was seen at this time (RFC 3339), or so far back (1h).")
]
Since = Annotated[
    str | None, typer.Option(help="What happened from this time (RFC 3339) on, or so far back.")
]


def backtest_(
    events: Annotated[
        Path | None,
        typer.Option(help="A file of events (JSON Lines, CSV, Parquet), - for standard input."),
    ] = None,
    rules: Rules = [],  # noqa: B006  # Typer copies it
    until: Until = None, since: Since = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, no table.")] = False,
    findings: Annotated[
        Path | None, typer.Option("--findings", help="Write each finding here, a line each.")
    ] = None,
    against: Against = [],  # noqa: B006
    flow_type: Annotated[
        str | None, typer.Option("--flow-type", help="Of this flow type alone, as in `flow:`.")
    ] = None,
    config: Config = None, store: StorePath = None, url: Url = None, token: Token = None,
) -> None:  # fmt: skip
    """Judge the past: how often would rules have fired, on which flows, and what else would change.

    The past is what is stored, or a file of events. It needs no daemon and no broker. Exit code 1
    when there are findings.

    Examples:

      nonevent backtest --rules new.yaml --since 7d

      nonevent backtest --events monday.jsonl --rules expectations/ --findings found.jsonl
    """
    from nonevent import backtest_report
    from nonevent.backtesting import Asked, backtested

    now = time.time()
    asked = Asked(
        configuration=Configuration() if url is not None else configured(config, [], store),
        rules=rules,
        against=against,
        flow_type=flow_type,
        events=events,
        since=moment_if_given("since", since, now),
        until=moment_if_given("until", until, now),
        findings=findings,
        url=url,
        token=token,
    )
    outcome = backtested(asked)
    if json:
        typer.echo(backtest_report.as_json(outcome))
    else:
        others = ", ".join(map(str, against)) or "the rules of the configuration"
        backtest_report.print_outcome(outcome, others)
    raise typer.Exit(1 if outcome.findings else 0)


def register(app: typer.Typer) -> None:
    """Makes this a command of `nonevent`."""
    app.command("backtest")(backtest_)
