"""Which sinks hear of an alert, and how patiently."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from analyzer.alerts.alert import Timing
from analyzer.alerts.matching import Matcher, fits_all
from analyzer.settings import AlertSettings, RouteSettings
from collector.errors import ConfigurationError
from collector.times import parse_duration


@dataclass(frozen=True)
class Route:
    matchers: tuple[Matcher, ...]
    to: tuple[str, ...]
    timing: Timing


class Routes:
    """The routes of the configuration; every one that matches counts."""

    def __init__(self, routes: Sequence[Route], immediate: Collection[str] = ()) -> None:
        """`immediate`: sinks that gather for themselves, and hear of everything at once."""
        self._routes = routes
        self._immediate = frozenset(immediate)

    def immediate(self, sink: str) -> bool:
        return sink in self._immediate

    @classmethod
    def of(
        cls, settings: AlertSettings, sinks: Sequence[str], immediate: Collection[str] = ()
    ) -> "Routes":
        if not sinks:
            return cls(())
        wanted = settings.routes or [RouteSettings(to=list(sinks))]
        for name in {name for route in wanted for name in route.sinks()} - {*sinks}:
            have = ", ".join(sinks)
            raise ConfigurationError(
                f"alerts.routes: no sink is called `{name}`; there are: {have}"
            )
        return cls([_route(settings, one) for one in wanted], immediate)

    def sinks_for(self, fields: Mapping[str, str]) -> dict[str, Timing]:
        """By the first of its routes that match."""
        found: dict[str, Timing] = {}
        for route in self._routes:
            if fits_all(route.matchers, fields):
                for sink in route.to:
                    found.setdefault(sink, self._timing(sink, route.timing))
        return found

    def _timing(self, sink: str, timing: Timing) -> Timing:
        return Timing(0, 0, timing.repeat) if sink in self._immediate else timing


def _route(settings: AlertSettings, route: RouteSettings) -> Route:
    def us(name: str) -> int:
        own = getattr(route, name)
        return parse_duration(getattr(settings, name) if own is None else own) or 0

    matchers = tuple(Matcher(name, "=", value) for name, value in route.match.items())
    timing = Timing(us("group_wait"), us("group_interval"), us("repeat_interval"))
    return Route(matchers, tuple(route.sinks()), timing)
