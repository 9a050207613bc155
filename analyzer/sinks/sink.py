"""What a sink is: it takes a notification, or says why it could not."""

from typing import Protocol

from analyzer.notification import Notification


class NotDelivered(Exception):
    """The sink did not take it; the outbox tries again later. The text holds no credentials."""

    def __init__(
        self, why: str, *, retry_after: float | None = None, perhaps_taken: bool = False
    ) -> None:
        """`retry_after`: seconds that the sink asks to be left alone. `perhaps_taken`: it may
        have come through, and only the answer did not."""
        super().__init__(why)
        self.retry_after = retry_after
        self.perhaps_taken = perhaps_taken


class Refused(NotDelivered):
    """The sink is well, and will not have this one: the others need not wait for it."""


class Sink(Protocol):
    @property
    def resend_every(self) -> float | None:
        """Seconds after which it wants to hear again of what fires; None: once is enough."""
        ...

    async def deliver(self, notification: Notification) -> str:
        """Returns when the notification was taken, with what was answered in a few words; raises
        NotDelivered otherwise, and does so in the end: no sink hangs for ever."""
        ...

    async def close(self) -> None: ...
