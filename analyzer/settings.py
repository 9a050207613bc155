"""The analyzer's part of `nonevent.yaml`: routes and sinks."""

from pydantic import Field, SecretStr

from collector.settings import Section


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


class RouteSettings(Section):
    """Findings whose fields and labels all match go to this sink; without `match`, all do."""

    match: dict[str, str] = {}
    to: str


class AlertSettings(Section):
    """Without routes, every finding goes to every sink; without sinks, to the log."""

    routes: list[RouteSettings] = []
    sinks: dict[str, SinkSettings] = {}
