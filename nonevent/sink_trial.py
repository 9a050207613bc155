"""A made-up notification sent to sinks, to see whether they would take a real one."""

import asyncio

import msgspec

from analyzer.notification import Notification
from analyzer.sinks.sink import NotDelivered, Sink
from analyzer.sinks.table import make_sinks
from collector.errors import ConfigurationError
from collector.times import format_time
from nonevent.clock import clock
from nonevent.config import Configuration

SAYS = "This is a test of `nonevent notify --test`: nothing is wrong, and nothing is to be done."


class Tried(msgspec.Struct, frozen=True):
    """What came of one sink; the fields of the JSON."""

    sink: str
    taken: bool
    answer: str


class Tries(msgspec.Struct, frozen=True):
    items: list[Tried]


def tried(configuration: Configuration, names: list[str]) -> list[Tried]:
    """What each of these sinks answered; all of them without names."""
    sinks = make_sinks(configuration.alerts, clock)
    return asyncio.run(_try(sinks, names, configuration.labels, configuration.http.link_base))


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
