"""From `tls:` to what HTTP clients take."""

import ssl

from collector.errors import ConfigurationError
from collector.settings import TlsSettings


def tls_context(place: str, tls: TlsSettings | None) -> ssl.SSLContext:
    """The system's authorities, or the one that is named; files that fail are told with `place`."""
    if tls is None:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.check_hostname = tls.check_hostname
        if tls.cert is not None:
            secret = tls.key_password.get_secret_value() if tls.key_password else ""
            # Without a password given here OpenSSL would ask the terminal for it.
            context.load_cert_chain(tls.cert, tls.key, lambda: secret)
    except OSError as error:
        said = error.strerror or getattr(error, "reason", None) or "unreadable"
        raise ConfigurationError(
            f"{place}: its files cannot be used ({said}): give PEM files that belong together"
        ) from error
    return context
