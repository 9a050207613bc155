"""Every kind of sink, by its key in the configuration."""

from analyzer.settings import AlertSettings, SinkSettings
from analyzer.sinks.log import LogSink
from analyzer.sinks.sink import Sink
from analyzer.sinks.webhook import Webhook
from collector.errors import ConfigurationError


def make_sinks(settings: AlertSettings) -> dict[str, Sink]:
    """The configured sinks by name; the log where none is configured."""
    if not settings.sinks:
        return {"log": LogSink()}
    return {name: _make(name, one) for name, one in settings.sinks.items()}


def _make(name: str, settings: SinkSettings) -> Sink:
    if settings.webhook is not None and settings.log is None:
        return Webhook(settings.webhook)
    if settings.log is not None and settings.webhook is None:
        return LogSink()
    raise ConfigurationError(f"alerts.sinks.{name}: expected exactly one of `webhook:` and `log:`")
