"""When a sink is told of an alert: a function of the alert, of what it was told, and the moment."""

from msgspec.structs import replace

from analyzer.alerts.alert import FIRING, Alert, Timing
from analyzer.alerts.rows import TellingRow

NEW, MORE, AGAIN, RESOLVED = "new", "more", "again", "resolved"


def change(
    alert: Alert, told: TellingRow | None, timing: Timing, moment: int
) -> tuple[str, int] | None:
    """What the sink is yet to be told of this alert, and from when on; None: nothing."""
    if told is not None and told.moment > moment:
        told = None if told.status != FIRING else replace(told, moment=0)  # the clock was set back
    knows = told is not None and told.status == FIRING
    if alert.state != FIRING:
        # An all-clear wakes nobody, and is not withheld from those who were woken.
        return (RESOLVED, moment) if knows else None
    if alert.quiet is not None:
        return None
    if told is None or not knows:
        rest = alert.since if told is None else told.moment + timing.interval
        return NEW, max(alert.since + timing.wait, rest)
    if alert.acknowledged is not None:
        return None
    if alert.newest(moment) > told.upto:
        return MORE, told.moment + timing.interval
    return AGAIN, told.moment + timing.repeat
