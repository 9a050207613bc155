"""Alerts that are told in one breath: ten rules that fail for one dead consumer are one story."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analyzer.alerts.alert import Alert

SHARE = 0.9
"""So much of an alert's flows must be another's."""
RANKS = {"critical": 2, "warning": 1, "info": 0}


@dataclass(frozen=True, slots=True)
class Bundle:
    first: Alert
    also: tuple[Alert, ...] = ()


def rank(alert: Alert) -> int:
    return RANKS.get(alert.severity, 1)


def covers(one: Alert, other: Alert) -> bool:
    """Whether who knows of the first knows of the other: its flows, and it is no worse."""
    if rank(other) > rank(one):
        return False
    strangers, allowed = 0, len(other.flows) * (1 - SHARE)
    for flow in other.flows:
        strangers += flow not in one.flows
        if strangers > allowed:
            return False
    return bool(other.flows)


def bundles(alerts: Iterable[Alert]) -> list[Bundle]:
    """The worst and largest first; with each those that it covers."""
    rest = sorted(
        alerts, key=lambda one: (-rank(one), -len(one.standing), one.since, one.fingerprint)
    )
    found = []
    while rest:
        first, *others = rest
        also = [one for one in others if covers(first, one)]
        found.append(Bundle(first, tuple(also)))
        rest = [one for one in others if one not in also]
    return found


def together(alerts: Sequence[Alert], told_with: dict[str, str]) -> list[Bundle]:
    """Those that were told in one breath and are over at once, by the alert that led."""
    led: dict[str, list[Alert]] = {}
    for one in alerts:
        led.setdefault(told_with.get(one.fingerprint, one.fingerprint), []).append(one)
    return [Bundle(first, tuple(also)) for first, *also in led.values()]
