"""The analyzer's part of `nonevent.yaml`: routes and sinks."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator

from analyzer.alerts.matching import BadMatcherError, Matcher
from analyzer.folds.tumbling import parse_during
from collector.settings import Duration, SaslSettings, Section, Size, TlsSettings
from collector.times import US_PER_S, parse_duration

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _http_url(url: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(url.get_secret_value())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.get_secret_value().isprintable() or " " in url.get_secret_value():
        raise ValueError("this is no address; write e.g. https://host.example/path")
    return url


def _headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        text = value.get_secret_value()
        if not (text.isascii() and text.isprintable()):
            raise ValueError(f"{name}: the value of a header is printable ASCII, on one line")
    return headers


def _template(text: str) -> str:
    # Here, because the template language takes a while to load, and most sinks use none.
    from analyzer.sinks.templates import check

    check(text)
    return text


def _pause(text: str) -> str:
    if (parse_duration(text) or 0) < US_PER_S:
        raise ValueError(f"{text} is too often; write 1s or more")
    return text


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
HttpUrl = Annotated[SecretStr, AfterValidator(_http_url)]
Headers = Annotated[dict[str, SecretStr], AfterValidator(_headers)]
Template = Annotated[str, AfterValidator(_template)]
Pause = Annotated[Duration, AfterValidator(_pause)]


class WebhookSettings(Section):
    """Where notifications are POSTed; the URL may carry credentials and is never shown."""

    url: HttpUrl
    timeout: float = Field(default=10, gt=0, le=120)
    """Seconds until an attempt counts as failed."""
    secret: SecretStr | None = Field(default=None, min_length=16)
    """What bodies are signed with; the receiver knows it too."""
    headers: Headers = {}
    template: Template | None = None
    """Makes a body of one's own; without it the notification itself is sent, as JSON."""
    tls: TlsSettings | None = None

    def relative_to(self, folder: Path) -> "WebhookSettings":
        return self.model_copy(update={"tls": self.tls and self.tls.relative_to(folder)})


class AlertmanagerSettings(Section):
    """An Alertmanager, or all members of its cluster: each of them is told."""

    urls: list[HttpUrl] = Field(min_length=1)
    """Without `/api/v2/alerts`."""
    timeout: float = Field(default=10, gt=0, le=120)
    resend_every: Pause = "1m"
    """Alerts that fire are told again so often; four times as long they last untold."""
    username: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    """A bearer token, instead of name and password."""
    headers: Headers = {}
    title: Template | None = None
    """The annotation `summary`."""
    body: Template | None = None
    """The annotation `description`."""
    tls: TlsSettings | None = None

    @model_validator(mode="after")
    def one_way_in(self) -> "AlertmanagerSettings":
        if (self.username is None) != (self.password is None):
            raise ValueError("`username` and `password` belong together")
        if self.token is not None and self.username is not None:
            raise ValueError("give `token`, or `username` and `password`, not both")
        return self

    def relative_to(self, folder: Path) -> "AlertmanagerSettings":
        return self.model_copy(update={"tls": self.tls and self.tls.relative_to(folder)})


class KafkaSinkSettings(Section):
    """A topic for others to subscribe to: notifications as CloudEvents."""

    bootstrap: str
    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    mode: Literal["binary", "structured"] = "binary"
    """Attributes as headers of the record, or all in one JSON object."""
    timeout: float = Field(default=10, gt=0, le=120)
    tls: TlsSettings | None = None
    sasl: SaslSettings | None = None

    def relative_to(self, folder: Path) -> "KafkaSinkSettings":
        return self.model_copy(update={"tls": self.tls and self.tls.relative_to(folder)})


class AppriseSettings(Section):
    """Chats, mail, pagers: whatever the library `apprise` has an address for."""

    urls: list[SecretStr] = Field(min_length=1)
    """`{fingerprint}` in one stands for the alert's."""
    timeout: float = Field(default=20, gt=0, le=120)
    title: Template | None = None
    body: Template | None = None


class LogSettings(Section):
    """Notifications as lines of the daemon's log."""


class SinkSettings(Section):
    """One named sink; exactly one of its kinds."""

    log: LogSettings | None = None
    webhook: WebhookSettings | None = None
    alertmanager: AlertmanagerSettings | None = None
    kafka: KafkaSinkSettings | None = None
    apprise: AppriseSettings | None = None

    @model_validator(mode="after")
    def one_kind(self) -> "SinkSettings":
        if len(self.model_fields_set) != 1 or self.kind_settings is None:
            kinds = ", ".join(f"`{kind}:`" for kind in SinkSettings.model_fields)
            raise ValueError(f"a sink needs exactly one of {kinds}")
        return self

    @property
    def kind(self) -> str:
        (kind,) = self.model_fields_set
        return kind

    @property
    def kind_settings(self) -> Any:
        return getattr(self, self.kind)

    def relative_to(self, folder: Path) -> "SinkSettings":
        """The same with its paths taken from this folder."""
        if not hasattr(self.kind_settings, "relative_to"):
            return self
        return self.model_copy(update={self.kind: self.kind_settings.relative_to(folder)})


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

    url: HttpUrl
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

    def relative_to(self, folder: Path) -> "AlertSettings":
        """The same with its paths taken from this folder."""
        sinks = {name: sink.relative_to(folder) for name, sink in self.sinks.items()}
        return self.model_copy(update={"sinks": sinks})
