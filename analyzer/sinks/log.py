"""A notification as a line of the daemon's log."""

import logging

from analyzer.notification import Notification
from analyzer.sinks.wording import one_line, title

log = logging.getLogger("nonevent.alerts")


class LogSink:
    resend_every = None

    async def deliver(self, notification: Notification) -> str:
        told = notification
        line = f"{title(told)}: {told.text}" + (f" ({told.reason})" if told.reason else "")
        oldest = f", oldest flow {told.oldest}" if told.oldest else ""
        log.warning("%s", one_line(f"{line} [since {told.since}{oldest}] {told.link}"))
        return "written to the log"

    async def close(self) -> None:
        pass
