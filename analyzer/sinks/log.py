"""A notification as a line of the daemon's log."""

import logging

from analyzer.notification import Notification

log = logging.getLogger("nonevent.alerts")


class LogSink:
    async def deliver(self, notification: Notification) -> None:
        told = notification
        log.warning(
            "%s [%s] %s: %s (oldest flow %s, %s)",
            told.status, told.severity, told.expectation, told.reason or told.text, told.oldest,
            told.link,
        )  # fmt: skip

    async def close(self) -> None:
        pass
