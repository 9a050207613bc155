"""Every kind of sink, by its key in the configuration."""

from collections.abc import Callable
from typing import Any

from analyzer.settings import AlertSettings
from analyzer.sinks.alertmanager import Alertmanager
from analyzer.sinks.apprise import AppriseSink
from analyzer.sinks.kafka import KafkaSink
from analyzer.sinks.log import LogSink
from analyzer.sinks.sink import Sink
from analyzer.sinks.webhook import Webhook

Clock = Callable[[], int]

KINDS: dict[str, Callable[[str, Any, Clock], Sink]] = {
    "log": lambda name, settings, clock: LogSink(),
    "webhook": Webhook,
    "alertmanager": Alertmanager,
    "kafka": KafkaSink,
    "apprise": lambda name, settings, clock: AppriseSink(name, settings),
}


def make_sinks(settings: AlertSettings, clock: Clock) -> dict[str, Sink]:
    """The configured sinks by name; the log where none is configured."""
    if not settings.sinks:
        return {"log": LogSink()}
    return {
        name: KINDS[one.kind](name, one.kind_settings, clock)
        for name, one in settings.sinks.items()
    }
