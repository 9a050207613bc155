"""The analyzer's part of `nonevent.yaml`: routes and sinks."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr

from analyzer.alerts.matching import BadMatcherError, Matcher
from analyzer.folds.tumbling import parse_during
from collector.settings import Duration, Section, Size
from collector.times import parse_duration


def _some_time(text: str) -> str:
    if not parse_duration(text):
        raise ValueError(f"{text!r} would be told without end; write e.g. 4h")
    return text


def _during(text: str) -> str:
    if parse_during(text) is None:
        raise ValueError(f"{text!r} is no such time; write e.g. Mon-Fri 08:00-20:00, Sat-Sun")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{text!r} is not a time zone; write e.g. Europe/Berlin") from error
    return text


def _matcher(text: str) -> str:
    try:
        Matcher.parse(text)
    except BadMatcherError as error:
        raise ValueError(str(error)) from error
    return text


Repeat = Annotated[Duration, AfterValidator(_some_time)]


class WebhookSettings(Section):
    """Where notifications are POSTed; the URL may carry credentials and is never shown."""

    url: SecretStr
    timeout: float = Field(default=10, gt=0, le=120)
    """Seconds until an attempt counts as failed."""


class LogSettings(Section):
    """Notifications as lines of the daemon's log."""


class SinkSettings(Section):
    """One named sink; exactly one of its kinds."""

    webhook: WebhookSettings | None = None
    log: LogSettings | None = None


class TimingSettings(Section):
    """How patient a route is; what it leaves out is as `alerts` says."""

    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Repeat | None = None


class RouteSettings(TimingSettings):
    """Alerts whose fields and labels all match go to these sinks; without `match`, all do."""

    match: dict[str, str] = {}
    to: str | list[str]

    def sinks(self) -> list[str]:
        return [self.to] if isinstance(self.to, str) else self.to


class MuteSettings(Section):
    """Hours of the week in which the alerts that match are judged and stored, and not told."""

    during: Annotated[str, AfterValidator(_during)]
    tz: Annotated[str, AfterValidator(_zone)] = "UTC"
    match: list[Annotated[str, AfterValidator(_matcher)]] = []


class SelfSettings(Section):
    """When nonevent tells of itself."""

    blind: Duration = "1m"
    """A partition cannot be read, or a bus does not answer, for so long."""
    behind: Duration = "5m"
    """What is on the bus is seen so much later."""
    hidden: Duration = "15m"
    """An open transaction hides what is behind it for so long."""
    outbox: Duration = "10m"
    """A sink takes nothing for so long."""
    disk: Size = "1GB"
    """Less than this is left where the store lies."""
    silent: bool = True
    """An expectation has had nothing to judge for longer than is usual."""


class HeartbeatSettings(Section):
    """An address that is asked while all is well; who does not hear of it knows that it is not."""

    url: SecretStr
    every: Repeat = "1m"
    timeout: float = Field(default=10, gt=0, le=120)


class AlertSettings(Section):
    """Without routes, every alert goes to every sink; without sinks, to the log."""

    routes: list[RouteSettings] = []
    sinks: dict[str, SinkSettings] = {}
    group_wait: Duration = "0s"
    group_interval: Duration = "5m"
    repeat_interval: Repeat = "4h"
    keep_firing_for: Duration = "1h"
    mute_times: list[MuteSettings] = []
    watch_itself: SelfSettings = SelfSettings()
    heartbeat: HeartbeatSettings | None = None
