"""`nonevent notify --test`: do the sinks take what they would be told at night?"""

import asyncio
from typing import Annotated

import msgspec
import typer

from analyzer.notification import Notification
from analyzer.sinks.sink import NotDelivered, Sink
from analyzer.sinks.table import make_sinks
from collector.errors import ConfigurationError
from collector.times import format_time
from nonevent.clock import clock
from nonevent.config import load_configuration
from nonevent.logs import log_to_stderr
from nonevent.options import Config, Json

SAYS = "This is a test of `nonevent notify --test`: nothing is wrong, and nothing is to be done."


class Tried(msgspec.Struct, frozen=True):
    """What came of one sink; the fields of the JSON."""

    sink: str
    taken: bool
    answer: str


class Tries(msgspec.Struct, frozen=True):
    items: list[Tried]


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
    if not test:
        raise ConfigurationError("nothing to send: `nonevent notify` sends tests only, add --test")
    log_to_stderr(verbose=False)
    configuration = load_configuration(config)
    tries = asyncio.run(_try(make_sinks(configuration.alerts, clock), sinks or [],
                             configuration.labels, configuration.http.link_base))  # fmt: skip
    if json:
        typer.echo(msgspec.json.encode(Tries(tries)))
    else:
        for one in tries:
            typer.echo(f"{one.sink}: {'taken' if one.taken else 'NOT taken'}: {one.answer}")
    raise typer.Exit(0 if all(one.taken for one in tries) else 3)


async def _try(
    sinks: dict[str, Sink], names: list[str], labels: dict[str, str], link: str | None
) -> list[Tried]:
    """All at once, so that one that hangs keeps nobody waiting for the others."""
    for name in names:
        if name not in sinks:
            raise ConfigurationError(f"no sink is called `{name}`; there are: {', '.join(sinks)}")
    told = sample(clock(), labels, link)
    try:
        tries = (_tried(name, sinks[name], told) for name in dict.fromkeys(names or sinks))
        return list(await asyncio.gather(*tries))
    finally:
        for sink in sinks.values():
            await sink.close()


async def _tried(name: str, sink: Sink, told: Notification) -> Tried:
    try:
        return Tried(name, True, await sink.deliver(told))
    except NotDelivered as error:
        return Tried(name, False, str(error))


def sample(now: int, labels: dict[str, str], link: str | None) -> Notification:
    """One that nobody takes for an alert. Each is another one, so that none is dropped as known."""
    return Notification(
        id=f"test-{now}",
        fingerprint=f"test-{now}",
        status="firing",
        change="new",
        expectation="test",
        type="nonevent",
        severity="info",
        labels={**labels, "test": "true"},
        about=None,
        runbook=None,
        text=SAYS,
        reason=None,
        since=format_time(now),
        until=None,
        count=1,
        new=1,
        oldest="a-flow-of-the-test",
        findings=(),
        also=(),
        link=link or "http://127.0.0.1:8321",
        moment=format_time(now),
    )


def register(app: typer.Typer) -> None:
    app.command()(notify)
