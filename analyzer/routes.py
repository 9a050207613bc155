"""Which sinks hear of a finding."""

from collections.abc import Sequence

from analyzer.finding import Finding
from analyzer.settings import AlertSettings, RouteSettings
from collector.errors import ConfigurationError

FIELDS = ("severity", "expectation", "type", "finding")


class Routes:
    """The routes of the configuration; every one that matches counts."""

    def __init__(self, routes: Sequence[RouteSettings]) -> None:
        self._routes = routes

    @classmethod
    def of(cls, settings: AlertSettings, sinks: Sequence[str]) -> "Routes":
        for route in settings.routes:
            if route.to not in sinks:
                have = ", ".join(sinks) or "none"
                raise ConfigurationError(
                    f"alerts.routes: no sink is called `{route.to}`; there are: {have}"
                )
        return cls(settings.routes or [RouteSettings(to=sink) for sink in sinks])

    def sinks_for(self, finding: Finding) -> list[str]:
        fields = {**finding.labels, **{field: getattr(finding, field) for field in FIELDS}}
        return list(
            dict.fromkeys(
                route.to
                for route in self._routes
                if all(fields.get(key) == value for key, value in route.match.items())
            )
        )
