"""From `tls:` to the contexts that clients take."""

import ssl
from collections.abc import Callable
from pathlib import Path

from collector.errors import ConfigurationError
from collector.settings import TlsSettings


def tls_context(place: str, tls: TlsSettings | None) -> ssl.SSLContext:
    """The system's authorities, or the one named; a file that fails is told with `place`."""
    context = ssl.create_default_context()
    if tls is None:
        return context
    if tls.ca is not None:
        # Only this authority: with the system's beside it, a pinned one would pin nothing.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load(f"{place}.ca", tls.ca, lambda ca: context.load_verify_locations(ca))
    context.check_hostname = tls.check_hostname
    if tls.cert is not None:
        password = tls.key_password.get_secret_value() if tls.key_password else ""
        if tls.key is not None:
            _load(f"{place}.key", tls.key, lambda key: key.open("rb").close())
        _load(
            f"{place}.cert",
            tls.cert,
            # Without a password given here OpenSSL would ask the terminal for it.
            lambda cert: context.load_cert_chain(cert, tls.key, lambda: password),
        )
    return context


def _load(place: str, path: Path, load: Callable[[Path], object]) -> None:
    try:
        load(path)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{place}: {path} is not what is needed here ({_said(error)}): give a PEM file; a "
            "certificate and its key belong together, and `key_password` opens the key"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{place}: {path} cannot be read: {error.strerror}") from error


def _said(error: ssl.SSLError) -> str:
    return (error.reason or "unreadable").lower().replace("_", " ")
