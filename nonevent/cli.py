"""The command line. Each command is thin: it reads options, asks, prints, and sets the exit code.

Exit codes: 0 fine, 1 findings, 2 usage or configuration, 3 unavailable.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from pydantic import ValidationError

from collector.errors import ConfigurationError, NoneventError
from nonevent import (
    alert_commands,
    backtest_command,
    demo_command,
    notify_command,
    quiet_commands,
    services_command,
    store_commands,
    terminal,
    why_command,
)
from nonevent.asking import asking
from nonevent.config import explained, load_configuration
from nonevent.logs import log_to_stderr
from nonevent.options import (
    Config,
    Cursor,
    Json,
    Limit,
    Rules,
    Since,
    StorePath,
    Token,
    Url,
    micros,
    print_json,
)
from nonevent.process import settle_in
from nonevent.status_terminal import print_status
from ui.models import FindingState, FlowState

app = typer.Typer(
    name="nonevent",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nonevent {version('nonevent')}")
        raise typer.Exit


@app.callback()
def _nonevent(
    version_: Annotated[
        bool,
        typer.Option("--version", help="Say which one this is.", callback=_tell_version,
                     is_eager=True),
    ] = False,
) -> None:  # fmt: skip
    """Says what should have happened on your event bus and didn't."""


@app.command()
def run(
    config: Config = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="A Kafka to watch, HOST:PORT; no file needed.")
    ] = None,
    topics: Annotated[
        str | None, typer.Option(help="With --bootstrap: topics, comma-separated globs.")
    ] = None,
    rules: Annotated[
        list[Path], typer.Option("--rules", help="Rule file or folder; may be repeated.")
    ] = [],  # noqa: B006  # Typer copies it
    store: StorePath = None,
    listen: Annotated[str | None, typer.Option(help="Where pages and API listen.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every detail.")] = False,
) -> None:
    """Watch: tap the bus, judge, alert, and serve pages and API until stopped.

    Examples:

      nonevent run --bootstrap localhost:9092 --topics 'orders,pay.*' --rules expectations/

      nonevent run --config nonevent.yaml
    """
    from nonevent.daemon import Daemon

    settle_in()
    log_to_stderr(verbose=verbose)
    configuration = load_configuration(config)
    try:
        configuration = configuration.overlaid(bootstrap, topics, rules, store)
        if listen is not None:
            http = {**configuration.http.model_dump(), "listen": listen}
            validated = type(configuration.http).model_validate(http)
            configuration = configuration.model_copy(update={"http": validated})
    except ValidationError as error:
        raise ConfigurationError(explained(error, "options")) from error
    daemon = Daemon(configuration)
    asyncio.run(_until_stopped(daemon.run()))


async def _until_stopped(serving: Coroutine[None, None, None]) -> None:
    """SIGTERM and Ctrl-C end the daemon in order; a second one ends it at once."""
    task = asyncio.create_task(serving)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


@app.command()
def flows(
    config: Config = None, url: Url = None, store: StorePath = None, rules: Rules = [],  # noqa: B006
    token: Token = None, json: Json = False, limit: Limit = 20,
    type: Annotated[str | None, typer.Option(help="Flow type, as in `flow:`.")] = None,
    state: Annotated[
        FlowState | None, typer.Option(help="How it stands with the flow.")
    ] = None,
    q: Annotated[str | None, typer.Option("-q", "--q", help="Part of an ID, or a key.")] = None,
    name: Annotated[str | None, typer.Option(help="With this event.")] = None,
    without: Annotated[str | None, typer.Option(help="Without this event.")] = None,
    since: Since = None, until: Since = None, cursor: Cursor = None,
) -> None:  # fmt: skip
    """List flows, the one whose newest event was stored last first.

    Examples:

      nonevent flows --state failed

      nonevent flows --name order.created --without payment.authorized --since 1h
    """
    with asking(config, url, store, rules, token) as queries:
        page = queries.flows(
            type=type, state=state, q=q, name=name, without=without, limit=limit, cursor=cursor,
            since=micros("since", since), until=micros("until", until),
        )  # fmt: skip
    print_json(page) if json else terminal.print_flows(page)


@app.command()
def show(
    flow_or_key: Annotated[str, typer.Argument(help="A correlation ID, or a key such as ord-123.")],
    config: Config = None, url: Url = None, store: StorePath = None, rules: Rules = [],  # noqa: B006
    token: Token = None, json: Json = False,
) -> None:  # fmt: skip
    """Show one flow: its timeline with what is missing, its expectations, its findings.

    Exit code 1 when the flow has findings, 3 when there is no such flow.

    Example: nonevent show ord-00123
    """
    from ui.errors import UnknownFlowError

    with asking(config, url, store, rules, token) as queries:
        detail = queries.flow(flow_or_key)
    if detail is None:
        raise UnknownFlowError(flow_or_key)
    print_json(detail) if json else terminal.print_flow(detail)
    raise typer.Exit(1 if detail.findings else 0)


@app.command()
def findings(
    config: Config = None, url: Url = None, store: StorePath = None, rules: Rules = [],  # noqa: B006
    token: Token = None, json: Json = False, limit: Limit = 20,
    expectation: Annotated[str | None, typer.Option(help="Of this expectation.")] = None,
    state: Annotated[FindingState | None, typer.Option(help="How it stands.")] = None,
    flow: Annotated[str | None, typer.Option(help="Of this flow.")] = None,
    alert: Annotated[str | None, typer.Option(help="Of this alert (its fingerprint).")] = None,
    since: Since = None, cursor: Cursor = None,
) -> None:  # fmt: skip
    """List findings, the one that changed last first. Exit code 1 when any is open.

    Example: nonevent findings --state open --json
    """
    with asking(config, url, store, rules, token) as queries:
        page = queries.findings(
            expectation=expectation, state=state, flow=flow, alert=alert,
            since=micros("since", since), limit=limit, cursor=cursor,
        )  # fmt: skip
    print_json(page) if json else terminal.print_findings(page)
    raise typer.Exit(1 if any(item.state == "open" for item in page.items) else 0)


@app.command()
def expectations(
    config: Config = None, url: Url = None, store: StorePath = None, rules: Rules = [],  # noqa: B006
    token: Token = None, json: Json = False,
) -> None:  # fmt: skip
    """List what is expected, what was found, and what is silent. Exit code 1 when any is open.

    Example: nonevent expectations
    """
    with asking(config, url, store, rules, token) as queries:
        page = queries.expectations()
    print_json(page) if json else terminal.print_expectations(page)
    raise typer.Exit(1 if any(item.findings.get("open") for item in page.items) else 0)


@app.command()
def consumers(
    config: Config = None, url: Url = None, store: StorePath = None, rules: Rules = [],  # noqa: B006
    token: Token = None, json: Json = False,
    group: Annotated[str | None, typer.Option(help="Of this group alone.")] = None,
) -> None:  # fmt: skip
    """Show how consumer groups stand: lag, and a verdict with its reason. Exits 1 if any is bad.

    Example: nonevent consumers --group payment-svc
    """
    with asking(config, url, store, rules, token) as queries:
        page = queries.consumers(group=group)
    print_json(page) if json else terminal.print_consumers(page)
    raise typer.Exit(1 if any(one.verdict not in ("ok", "unseen") for one in page.items) else 0)


@app.command()
def tail(
    config: Config = None, url: Url = None, store: StorePath = None, rules: Rules = [],  # noqa: B006
    token: Token = None, json: Json = False, limit: Limit = 20,
    topic: Annotated[str | None, typer.Option(help="Of this topic.")] = None,
    name: Annotated[str | None, typer.Option(help="With this name.")] = None,
    untied: Annotated[bool, typer.Option("--untied", help="Without a correlation ID.")] = False,
    problems: Annotated[bool, typer.Option("--problems", help="With a problem.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come.")] = False,
) -> None:  # fmt: skip
    """Show the newest events as they were stored.

    Examples:

      nonevent tail -f --topic orders

      nonevent tail --untied
    """
    with asking(config, url, store, rules, token) as queries:
        after: int | None = None
        while True:
            page = queries.events(
                after=after, topic=topic, name=name, untied=untied, problems=problems, limit=limit
            )
            if json:
                for item in page.items:
                    typer.echo(item.model_dump_json())
            elif page.items or after is None:
                terminal.print_events(page)
            if not follow:
                return
            after = int(page.next) if page.next else after or 0
            if len(page.items) < limit:
                time.sleep(0.5)


@app.command()
def dropped(
    config: Config = None, url: Url = None, store: StorePath = None, rules: Rules = [],  # noqa: B006
    token: Token = None, json: Json = False,
) -> None:  # fmt: skip
    """Show who drops correlation IDs: topic, name, producer, and since when. Exit code 1 if any.

    Example: nonevent dropped
    """
    with asking(config, url, store, rules, token) as queries:
        page = queries.dropped()
    print_json(page) if json else terminal.print_dropped(page)
    raise typer.Exit(1 if page.items else 0)


@app.command()
def status(
    config: Config = None, url: Url = None, store: StorePath = None, rules: Rules = [],  # noqa: B006
    token: Token = None, json: Json = False,
) -> None:  # fmt: skip
    """Show how far each partition was seen, what is held back, and what is stored.

    Example: nonevent status
    """
    with asking(config, url, store, rules, token) as queries:
        found = queries.status()
    print_json(found) if json else print_status(found)


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Rule files or folders.")],
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Check rule files: every mistake at once, as file:line:column. Exit code 2 when there is one.

    Warns of what is surely not meant; where a daemon runs or a store is at hand, of what was never
    seen, too.

    Examples:

      nonevent check expectations/

      nonevent check expectations/ --store nonevent.duckdb
    """
    from nonevent.check_past import Where
    from nonevent.rule_commands import check_rules

    raise typer.Exit(check_rules(paths, Where(config, store, url, token), json))


@app.command()
def test(
    paths: Annotated[list[Path], typer.Argument(help="Rule files or folders.")],
    pattern: Annotated[
        str | None, typer.Option("-k", help="Only tests with this in their name or file.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write a JUnit report here, too.")
    ] = None,
    json: Json = False,
) -> None:
    """Run the `tests:` of rule files. Exit code 1 when one fails, 2 when a file is wrong.

    Examples:

      nonevent test expectations/

      nonevent test expectations/ -k payment --junit report.xml
    """
    from nonevent.rule_tests import run_tests

    raise typer.Exit(run_tests(paths, pattern, junit, json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of rule files: completion and first errors in an editor.

    Example: nonevent schema > .nonevent.schema.json
    """
    from analyzer.rules.schema import rule_schema

    typer.echo(msgspec.json.format(msgspec.json.encode(rule_schema())))


backtest_command.register(app)
store_commands.register(app)
app.command()(why_command.why)
app.command()(services_command.services)
notify_command.register(app)
alert_commands.register(app)
quiet_commands.register(app)
demo_command.register(app)


def main() -> None:
    """The entry point: what nonevent has to say about failing goes to stderr, without a trace."""
    try:
        app()
    except NoneventError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except ExceptionGroup as group:
        # What ends one task of the daemon ends it all; if it says why, that is what is told.
        told, others = group.split(NoneventError)
        if told is None or others is not None:
            raise
        reason = _first(told)
        typer.echo(str(reason), err=True)
        sys.exit(reason.exit_code)


def _first(group: ExceptionGroup[NoneventError]) -> NoneventError:
    one = group.exceptions[0]
    return _first(one) if isinstance(one, ExceptionGroup) else one
