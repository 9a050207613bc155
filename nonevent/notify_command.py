"""`nonevent notify --test`: do the sinks take what they would be told at night?"""

from typing import Annotated

import msgspec
import typer

from collector.errors import ConfigurationError
from nonevent.config import load_configuration
from nonevent.logs import log_to_stderr
from nonevent.options import Config, Json


def notify(
    sinks: Annotated[list[str] | None, typer.Argument(help="Names of sinks; all without.")] = None,
    config: Config = None,
    test: Annotated[
        bool, typer.Option("--test", help="Send a notification that is marked as a test.")
    ] = False,
    json: Json = False,
) -> None:
    """Send a made-up notification to the configured sinks, and say what each of them answered.

    Needs neither a daemon nor a store. Exit code 3 where one did not take it.

    Examples:

      nonevent notify --test

      nonevent notify --test pager
    """
    from nonevent.sink_trial import Tries, tried

    if not test:
        raise ConfigurationError("nothing to send: `nonevent notify` sends tests only, add --test")
    log_to_stderr(verbose=False)
    configuration = load_configuration(config)
    tries = tried(configuration, sinks or [])
    if json:
        typer.echo(msgspec.json.encode(Tries(tries)))
    else:
        for one in tries:
            typer.echo(f"{one.sink}: {'taken' if one.taken else 'NOT taken'}: {one.answer}")
    raise typer.Exit(0 if all(one.taken for one in tries) else 3)


def register(app: typer.Typer) -> None:
    app.command()(notify)
