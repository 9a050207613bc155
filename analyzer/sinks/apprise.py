"""Chats, mail, pagers: whatever the library `apprise` has an address for."""

import asyncio
import contextlib
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from analyzer.notification import Notification
from analyzer.settings import AppriseSettings
from analyzer.sinks.sink import NotDelivered
from analyzer.sinks.templates import Texts
from collector.errors import ConfigurationError

KINDS = {"critical": "failure", "warning": "warning", "info": "info"}
"""What a severity is called there."""
FINGERPRINT = "{fingerprint}"
REMEMBERED = 1000

Notify = Callable[[], NotDelivered | None]


class AppriseSink:
    """Every address gets it once: those that took it are not tried again with those that did not.

    The library blocks, so it has a thread; a call that does not come back keeps that thread, and
    there is never a second one.
    """

    resend_every = None

    def __init__(self, name: str, settings: AppriseSettings) -> None:
        # Here, because it takes a while to load, and nobody without such a sink needs it.
        import apprise

        _keep_quiet()
        self._library: Any = apprise
        self._urls = [url.get_secret_value() for url in settings.urls]
        for number, url in enumerate(self._urls):
            if not self._service(url, "0").urls():
                raise ConfigurationError(
                    f"alerts.sinks.{name}.apprise.urls.{number}: this is no address of a service "
                    "that apprise knows: see its list of services"
                )
        self._timeout = settings.timeout
        self._texts = Texts(name, {"title": settings.title, "body": settings.body})
        self._taken: OrderedDict[str, set[int]] = OrderedDict()
        """Of what not all have taken: who has."""
        self._busy = False

    async def deliver(self, notification: Notification) -> str:
        title, body = await self._texts.title_and_body(notification)
        taken = self._taken.setdefault(notification.id, set())
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        failed: list[str] = []
        perhaps = False
        for number, url in enumerate(self._urls):
            if number in taken:
                continue
            try:
                await self._send(
                    partial(self._notify, url, notification, title, body),
                    partial(taken.add, number),
                )
            except NotDelivered as error:
                failed.append(f"urls.{number}: {error}")
                perhaps = perhaps or error.perhaps_taken
        if failed:
            raise NotDelivered("; ".join(failed), perhaps_taken=perhaps or bool(taken))
        self._taken.pop(notification.id, None)
        return "taken" if len(taken) == 1 else f"taken by {len(taken)}"

    async def _send(self, notify: Notify, took: Callable[[], None]) -> None:
        if self._busy:
            raise NotDelivered("an earlier message is still under way", perhaps_taken=True)
        self._busy = True
        loop = asyncio.get_running_loop()
        done: asyncio.Future[NotDelivered | None] = loop.create_future()

        def finish(problem: NotDelivered | None) -> None:
            self._busy = False
            if problem is None:
                took()  # perhaps later than anybody waited for
            if not done.done():
                done.set_result(problem)

        def work() -> None:
            problem = notify()
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(finish, problem)

        threading.Thread(target=work, name="apprise", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout):
                problem = await done
        except TimeoutError as error:
            raise NotDelivered(f"no answer in {self._timeout:g} s", perhaps_taken=True) from error
        if problem is not None:
            raise problem

    def _notify(self, url: str, told: Notification, title: str, body: str) -> NotDelivered | None:
        kind = "success" if told.status == "resolved" else KINDS.get(told.severity, "warning")
        said: list[str] = []
        try:
            took = self._service(url, told.fingerprint).notify(
                body=body,
                title=title,
                notify_type=kind,
                body_format="text",
                log_callback=lambda entry, service: said.append(str(entry.message)),
                log_level=logging.WARNING,
            )
        except Exception as error:  # noqa: BLE001  # it is plugins by many hands
            return NotDelivered(f"it failed ({type(error).__name__})", perhaps_taken=True)
        if took:
            return None
        reasons = "; ".join(without_secrets(text, url) for text in said[:3])
        return NotDelivered(reasons or "the service did not take it", perhaps_taken=True)

    def _service(self, url: str, fingerprint: str) -> Any:
        services = self._library.Apprise()
        services.add(url.replace(FINGERPRINT, quote(fingerprint, safe="")))
        return services

    async def close(self) -> None:
        pass


def without_secrets(text: str, url: str) -> str:
    """What a plugin said, without any piece of its address: which of them are secret, it knows."""
    pieces = {piece for piece in re.split(r"[^A-Za-z0-9_-]+", url) if len(piece) >= 3}
    for piece in sorted(pieces - {url.partition(":")[0]}, key=len, reverse=True):
        text = re.sub(re.escape(piece), "…", text, flags=re.IGNORECASE)
    return " ".join(text.split())[:300]


def _keep_quiet() -> None:
    """Its log tells addresses at length; what went wrong is told by the outbox."""
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    for library in ("requests", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)
