"""`nonevent demo`: a shop with faults to look at, and the switches of one that runs.

The demo's parts are imported where they are used: no other command needs them.
"""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from collector.errors import ConfigurationError
from collector.times import US_PER_S, parse_duration
from nonevent.options import Json

Control = Annotated[str | None, typer.Option(help="Where the demo's switches are; else found.")]


class OnOff(StrEnum):
    ON = "on"
    OFF = "off"


def register(app: typer.Typer) -> None:
    app.add_typer(demo_app, name="demo")


demo_app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")


@demo_app.callback()
def demo(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option(help="Where pages and API listen; 8321 or a free one.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="Orders a second.")] = 2.0,
    duration: Annotated[str | None, typer.Option(help="Stop after this long: 60s, 5m.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same faults.")] = None,
    fault: Annotated[
        list[str],
        typer.Option(
            "--fault",
            help="A fault of `nonevent demo faults`, with =SHARE if you like; none for a shop in "
            "order; may be repeated.",
        ),
    ] = [],  # noqa: B006
    truth: Annotated[Path | None, typer.Option(help="Write each fault here, a line each.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Use this Kafka, not its own.")] = None,
    prefix: Annotated[
        str | None,
        typer.Option(help="Before its topics and groups; nonevent-demo. on a Kafka not its own."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Use topics although they hold records already.")
    ] = False,
    shop_only: Annotated[
        bool, typer.Option("--shop-only", help="Shop and agents alone, no nonevent beside them.")
    ] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser.")] = False,
) -> None:
    """Start a small shop with faults on a real Kafka of its own, and watch it.

    Needs no configuration, no Docker and no system Java. Everything goes when it is stopped.

    Examples:

      nonevent demo

      nonevent demo --fault lost-outcome=0.2 --duration 2m --truth truth.jsonl

      nonevent demo --shop-only --bootstrap kafka:9092
    """
    if context.invoked_subcommand is not None:
        return
    from demo.options import DemoOptions
    from demo.run import run_demo

    seconds = None
    if duration is not None:
        us = parse_duration(duration)
        if not us:
            raise ConfigurationError(f"--duration {duration}: write e.g. 60s or 5m")
        seconds = us / US_PER_S
    raise typer.Exit(
        run_demo(
            DemoOptions(
                port=port,
                rate=rate,
                duration=seconds,
                seed=seed,
                faults=tuple(fault),
                truth=truth,
                bootstrap=bootstrap,
                prefix=prefix,
                force=force,
                shop_only=shop_only,
                open_page=not no_open,
            )
        )
    )


@demo_app.command()
def faults(control: Control = None, json: Json = False) -> None:
    """List the faults of the demo that runs: how each stands, and what it does.

    Example: nonevent demo faults
    """
    from demo.switching import show_faults

    _switching(lambda: show_faults(control, json))


@demo_app.command("fault")
def switch_fault(
    name: Annotated[str, typer.Argument(help="A name of `nonevent demo faults`.")],
    state: Annotated[OnOff, typer.Argument(help="on or off.")],
    share: Annotated[
        float | None, typer.Option(help="Of the orders, from 0 to 1; else its usual share.")
    ] = None,
    control: Control = None,
    json: Json = False,
) -> None:
    """Switch a fault of the demo that runs.

    Examples:

      nonevent demo fault stopped-consumer on

      nonevent demo fault late on --share 0.2

      nonevent demo fault late off
    """
    from demo.switching import switch_fault

    _switching(lambda: switch_fault(control, name, state is OnOff.ON, share, json))


def _switching(ask: Callable[[], object]) -> None:
    """What the demo has to say about failing goes to stderr, with its exit code."""
    from demo.errors import DemoError

    try:
        ask()
    except DemoError as error:
        typer.echo(f"nonevent demo: {error}", err=True)
        raise typer.Exit(error.exit_code) from error
