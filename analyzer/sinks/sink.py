"""What a sink is: it takes a notification, or says why it could not."""

from typing import Protocol

from analyzer.notification import Notification


class NotDelivered(Exception):
    """The sink did not take it; the outbox tries again later. The text holds no credentials."""


class Sink(Protocol):
    async def deliver(self, notification: Notification) -> None:
        """Returns when the notification was taken; raises NotDelivered otherwise."""
        ...

    async def close(self) -> None: ...
