"""HTTP as sinks need it: a POST that ends in time, and what its answer means."""

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx

from analyzer.sinks.sink import NotDelivered, Refused
from collector.settings import TlsSettings
from collector.tls import tls_context

MOST_OF_A_BODY = 2**16
LONGEST_WISH_S = 3600.0
"""Nobody is left alone for longer, whatever they ask for."""
NOT_ABOUT_THE_MESSAGE = {401, 402, 403, 404, 405, 407, 408, 410, 425, 429}
"""Of the 4xx those that speak of the address, the login or the moment: another message would
fare no better, and this one may fare well later."""


class Http:
    """One address's client. An attempt is over after `timeout` seconds, whatever it waits for."""

    def __init__(
        self, place: str, timeout: float, tls: TlsSettings | None, auth: httpx.Auth | None = None
    ) -> None:
        self._timeout = timeout
        verify = True if tls is None else tls_context(f"{place}.tls", tls)
        self._client = httpx.AsyncClient(
            timeout=timeout, verify=verify, auth=auth, follow_redirects=False
        )

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> str:
        """What was answered; raises NotDelivered. Of its body nothing is told: it may repeat what
        it was sent."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", url, content=content, headers=headers) as answer,
            ):
                await _to_the_end(answer)
                return judged(answer)
        except TimeoutError as error:
            raise NotDelivered(f"no answer in {self._timeout:g} s", perhaps_taken=True) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotDelivered(f"it cannot be reached ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(f"no answer ({type(error).__name__})", perhaps_taken=True) from error

    async def close(self) -> None:
        await self._client.aclose()


async def _to_the_end(answer: httpx.Response) -> None:
    """Only a connection that was read to the end is used again; one that goes on and on is not."""
    size = 0
    async for piece in answer.aiter_raw():
        size += len(piece)
        if size > MOST_OF_A_BODY:
            return


def judged(answer: httpx.Response) -> str:
    """The status in words, where it means that the message was taken."""
    said = f"{answer.status_code} {answer.reason_phrase}".strip()
    if answer.is_success:
        return said
    wish = retry_after(answer.headers)
    if answer.is_client_error and answer.status_code not in NOT_ABOUT_THE_MESSAGE:
        raise Refused(f"the answer was {said}")
    where = ": give the address that it leads to" if answer.is_redirect else ""
    perhaps = answer.is_server_error and answer.status_code != httpx.codes.SERVICE_UNAVAILABLE
    raise NotDelivered(f"the answer was {said}{where}", retry_after=wish, perhaps_taken=perhaps)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; a date is taken by the answer's own clock."""
    wish = headers.get("retry-after", "").strip()
    if wish.isascii() and wish.isdecimal():
        return min(float(wish[:9]), LONGEST_WISH_S)
    try:
        until, now = parsedate_to_datetime(wish), parsedate_to_datetime(headers.get("date", ""))
        return min(max((until - now).total_seconds(), 0.0), LONGEST_WISH_S)
    except (ValueError, TypeError):
        return None
