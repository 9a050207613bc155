"""The analyzer's part of `nonevent.yaml`: routes and sinks."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr

from analyzer.alerts.matching import BadMatcherError, Matcher
from analyzer.folds.tumbling import parse_during
from collector.settings import Duration, Section
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


class AlertSettings(Section):
    """Without routes, every alert goes to every sink; without sinks, to the log."""

    routes: list[RouteSettings] = []
    sinks: dict[str, SinkSettings] = {}
    group_wait: Duration = "0s"
    group_interval: Duration = "5m"
    repeat_interval: Repeat = "4h"
    keep_firing_for: Duration = "1h"
    mute_times: list[MuteSettings] = []
