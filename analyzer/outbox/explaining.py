"""Why what an alert tells is missing: added to notifications as they go."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

from msgspec.structs import replace

from analyzer.notification import Notification
from analyzer.why.summary import Reasons
from collector.times import US_PER_S, parse_time

log = logging.getLogger(__name__)

Explain = Callable[[str], Reasons | None]
"""Of the alert with this fingerprint, as it stands."""
MINUTE = 60 * US_PER_S
MOST_A_MINUTE = 60
"""So many are explained in a minute: to explain takes time, and a thousand alerts are not to wait
for it. Their pages have it."""
PAUSE = MINUTE
"""And one alert no sooner again: who is told of it all the time is told why now and then."""
REMEMBERED = 1_000


class Explaining:
    """Asked by the threads of all sinks; what one was told, all are told, however often it is
    tried. A notification that cannot be explained goes without."""

    def __init__(self, explain: Explain) -> None:
        self._explain = explain
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], Reasons | None] = OrderedDict()
        """By fingerprint, and the moment in which it was told."""

    def explained(self, notification: Notification) -> Notification:
        if notification.status != "firing":
            return notification
        key = notification.fingerprint, parse_time(notification.moment) or 0
        with self._lock:
            if key not in self._known:
                if not self._may_take_time(*key):
                    return notification
                self._known[key] = self._asked(notification.fingerprint)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            return replace(notification, why=self._known[key])

    def _may_take_time(self, fingerprint: str, moment: int) -> bool:
        ages = [(of, abs(at - moment)) for of, at in self._known]
        if any(of == fingerprint and age < PAUSE for of, age in ages):
            return False
        return sum(age < MINUTE for _, age in ages) < MOST_A_MINUTE

    def _asked(self, fingerprint: str) -> Reasons | None:
        try:
            return self._explain(fingerprint)
        except Exception as error:  # people are to be told, with or without it
            log.warning("why %s fires could not be told (%s)", fingerprint, type(error).__name__)
            log.debug("why %s", fingerprint, exc_info=error)
            return None
