"""A notification as an HTTP POST."""

import httpx
import msgspec

from analyzer.notification import Notification
from analyzer.settings import WebhookSettings
from analyzer.sinks.sink import NotDelivered


class Webhook:
    """Any 2xx answer means taken. `Nonevent-Fingerprint` is equal when one is sent twice."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._url = settings.url.get_secret_value()
        self._client = httpx.AsyncClient(timeout=settings.timeout, follow_redirects=False)

    async def deliver(self, notification: Notification) -> None:
        headers = {
            "content-type": "application/json",
            "nonevent-fingerprint": notification.fingerprint,
        }
        try:
            answer = await self._client.post(
                self._url, content=msgspec.json.encode(notification), headers=headers
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(f"no answer ({type(error).__name__})") from error
        if not answer.is_success:
            raise NotDelivered(f"the answer was {answer.status_code} {answer.reason_phrase}")

    async def close(self) -> None:
        await self._client.aclose()
