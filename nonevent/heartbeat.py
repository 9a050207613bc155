"""Who watches the watcher: an address that hears from nonevent while all is well."""

import asyncio
import logging
from collections.abc import Callable

import httpx

from analyzer.settings import HeartbeatSettings
from collector.times import US_PER_S, parse_duration

log = logging.getLogger(__name__)


class Heartbeat:
    """Asks the address now and then, and not while something keeps people from being told."""

    def __init__(self, settings: HeartbeatSettings, healthy: Callable[[], bool]) -> None:
        self._url = settings.url.get_secret_value()
        self._every_s = (parse_duration(settings.every) or 0) / US_PER_S
        self._timeout_s = settings.timeout
        self._healthy = healthy
        self._told: str | None = None

    async def run(self) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient(timeout=self._timeout_s) as client:
            while True:
                self._say(await self._beat(client) if self._healthy() else "not all is well")
                await asyncio.sleep(self._every_s)

    async def _beat(self, client: httpx.AsyncClient) -> str | None:
        """What went wrong; the address may carry a secret and is not told."""
        try:
            answer = await client.get(self._url)
        except httpx.HTTPError as error:
            return f"no answer ({type(error).__name__})"
        return None if answer.is_success else f"the answer was {answer.status_code}"

    def _say(self, why: str | None) -> None:
        if why != self._told:
            if why is None:
                log.info("the heartbeat goes on")
            else:
                log.warning("the heartbeat has stopped: %s", why)
        self._told = why
