"""From `tls:` and `sasl:` to what the client library takes; a secret is never part of an error."""

from collections.abc import Callable
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from pydantic import SecretStr

from collector.settings import SaslSettings, TlsSettings
from collector.tls import tls_context

Options = dict[str, Any]


def security_options(
    place: str, tls: TlsSettings | None, sasl: SaslSettings | None, clock: Callable[[], int]
) -> Options:
    """The library's options; files that cannot be used are errors that name `place` and key."""
    protocol = {
        (False, False): "PLAINTEXT",
        (True, False): "SSL",
        (False, True): "SASL_PLAINTEXT",
        (True, True): "SASL_SSL",
    }[tls is not None, sasl is not None]
    options: Options = {"security_protocol": protocol}
    if tls is not None:
        options["ssl_context"] = tls_context(f"{place}.tls", tls)
    if sasl is not None:
        options |= _sasl(sasl, clock)
    return options


def _sasl(sasl: SaslSettings, clock: Callable[[], int]) -> Options:
    options: Options = {"sasl_mechanism": sasl.mechanism}
    if sasl.password is not None:
        options["sasl_plain_username"] = sasl.username
        options["sasl_plain_password"] = sasl.password.get_secret_value()
    elif sasl.token is not None:
        options["sasl_oauth_token_provider"] = GivenToken(sasl.token)
    else:
        options["sasl_oauth_token_provider"] = _client_credentials(sasl, clock)
    return options


def _client_credentials(sasl: SaslSettings, clock: Callable[[], int]) -> AbstractTokenProvider:
    from collector.sources.kafka_token import ClientCredentials  # here: few ask, and it is slow

    # The settings saw to it that these are given together.
    assert sasl.token_url is not None
    assert sasl.client_id is not None
    assert sasl.client_secret is not None
    return ClientCredentials(sasl.token_url, sasl.client_id, sasl.client_secret, sasl.scope, clock)


class GivenToken(AbstractTokenProvider):
    """The configured token, as it is."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token.get_secret_value()


def cure(why: str) -> str:
    """What to look at, by what a broker or the TLS library said."""
    text = why.lower()
    for signs, advice in _CURES:
        if any(sign in text for sign in signs):
            return advice
    return (
        "check `bootstrap`, that the broker's advertised listener can be reached from here, and "
        "that this listener speaks what `tls` and `sasl` say"
    )


_CURES = (
    (
        ("hostname mismatch", "ip address mismatch", "not valid for"),
        "the broker's certificate names another host: use that name in `bootstrap` and in the "
        "broker's advertised listener, or set `tls: {check_hostname: false}`",
    ),
    (
        ("certificate verify failed",),
        "the broker's certificate is not signed by whom we trust: name its authority in `tls.ca`",
    ),
    (
        ("certificate required", "bad certificate", "unknown ca", "handshake failure"),
        "the broker wants a certificate that it trusts: give `tls.cert` and `tls.key`",
    ),
    (
        # The beginning of a TLS alert, taken for the length of an answer.
        (str(0x15030300), str(0x15030100)),
        "this listener speaks TLS: give `tls: {}`, with `ca` where its authority is not public",
    ),
    (
        ("wrong version number", "record layer failure"),
        "this listener does not speak TLS: take `tls` away, or use the port that does",
    ),
    (
        ("unsupportedsaslmechanism",),
        "the broker has other SASL mechanisms: set `sasl.mechanism` to one of them",
    ),
    (
        ("no token:", "refused the token"),
        "check `sasl.token`, or `token_url`, `client_id`, `client_secret` and `scope`",
    ),
    (
        ("saslauthenticationfailed",),
        "check `sasl.mechanism`, `sasl.username` and `sasl.password`",
    ),
)
