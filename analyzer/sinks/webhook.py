"""A notification as an HTTP POST."""

import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote

import msgspec

from analyzer.notification import Notification
from analyzer.settings import WebhookSettings
from analyzer.sinks.answers import Http
from analyzer.sinks.templates import Texts
from analyzer.sinks.wording import cut, one_line
from collector.times import US_PER_S

JSON = {"content-type": "application/json"}


class Webhook:
    """Any 2xx answer means taken. `Nonevent-Id` is equal when one is sent twice."""

    resend_every = None

    def __init__(self, name: str, settings: WebhookSettings, clock: Callable[[], int]) -> None:
        self._url = settings.url.get_secret_value()
        secret = settings.secret
        self._secret = None if secret is None else secret.get_secret_value().encode()
        self._headers = {
            key.lower(): value.get_secret_value() for key, value in settings.headers.items()
        }
        self._clock = clock
        self._texts = Texts(name, {"template": settings.template})
        self._http = Http(f"alerts.sinks.{name}.webhook", settings.timeout, settings.tls)

    async def deliver(self, notification: Notification) -> str:
        written = await self._texts.of(notification)
        headers = JSON | self._headers
        if (own := written.texts.get("template")) is None:
            body = msgspec.json.encode(notification)
            headers |= JSON
        else:
            body = own.encode()
        if written.note:
            headers["nonevent-note"] = _plain(cut(one_line(written.note), 500))
        headers["nonevent-id"] = _plain(notification.id)
        headers["nonevent-fingerprint"] = _plain(notification.fingerprint)
        if self._secret is not None:
            headers["nonevent-signature"] = sign(self._secret, body, self._clock() // US_PER_S)
        return await self._http.post(self._url, body, headers)

    async def close(self) -> None:
        await self._http.close()


def sign(secret: bytes, body: bytes, moment: int) -> str:
    """`t=SECONDS,v1=HEX`: an HMAC-SHA256 of `SECONDS.BODY`, so that an old one cannot be replayed
    as a new one."""
    digest = hmac.new(secret, b"%d.%b" % (moment, body), hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def _plain(text: str) -> str:
    """Headers are ASCII."""
    return quote(text, safe=" !#$&'()*+,/:;=?@[]{}|<>\"`^~-._")
