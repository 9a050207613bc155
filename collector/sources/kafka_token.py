"""OAUTHBEARER tokens, fetched with client credentials and kept while they last."""

from collections.abc import Callable

import httpx
import msgspec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import SaslAuthenticationFailed
from pydantic import SecretStr

from collector.payload import UNDECODABLE
from collector.times import US_PER_S

PATIENCE_S = 10.0
RENEW_BEFORE = 30 * US_PER_S
"""A token must still be good when the broker sees it."""
LASTS = 300 * US_PER_S
"""What a token lasts whose issuer does not say."""


class _Answer(msgspec.Struct):
    """What RFC 6749 promises of a token endpoint."""

    access_token: str
    expires_in: float | None = None


_answer = msgspec.json.Decoder(_Answer).decode


class ClientCredentials(AbstractTokenProvider):
    """Asks the token endpoint, as OAuth 2.0's client credentials grant says."""

    def __init__(
        self,
        url: str,
        client_id: str,
        client_secret: SecretStr,
        scope: str | None,
        clock: Callable[[], int],
    ) -> None:
        self._url = url
        self._client_id = client_id
        self._secret = client_secret
        self._form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        self._clock = clock
        self._token = ""
        self._good_until = 0

    async def token(self) -> str:
        now = self._clock()
        if not self._token or now > self._good_until:
            answer = await self._fetch()
            lasts = LASTS if answer.expires_in is None else round(answer.expires_in * US_PER_S)
            self._token = answer.access_token
            # Half of a short life is better than none: each connection would ask anew.
            self._good_until = now + max(lasts - RENEW_BEFORE, lasts // 2)
        return self._token

    async def _fetch(self) -> _Answer:
        """The client library takes its own errors only: others would end its reading for good."""
        who = httpx.BasicAuth(self._client_id, self._secret.get_secret_value())
        try:
            async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
                response = await http.post(self._url, data=self._form, auth=who)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SaslAuthenticationFailed(
                f"no token: {self._url} does not answer ({type(error).__name__})"
            ) from error
        if not response.is_success:
            raise SaslAuthenticationFailed(f"no token: {self._url} answered {response.status_code}")
        try:
            return _answer(response.content)
        except UNDECODABLE as error:
            raise SaslAuthenticationFailed(
                f"no token: {self._url} answered something else than a token"
            ) from error
