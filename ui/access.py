"""Who may ask: loopback alone, or the token; and what every answer tells the browser."""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.errors import UnsafeListenError

ANY_HOST = "*"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
MOST_BYTES = 256_000
PROBES = ("/healthz", "/readyz")
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """True only for what certainly stays on this machine; other names count as reachable."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_listen(host: str, token: str | None) -> None:
    """Refuses an address that others can reach when no token guards it."""
    if token is not None and not token.strip():
        raise UnsafeListenError(
            "http.token is empty, so it would let everyone in; "
            "give it a value (is the environment variable it names set?) or leave the line out"
        )
    if token is None and not is_loopback(host):
        raise UnsafeListenError(
            f"http.listen {host or '(every address)'} can be reached from other machines, and "
            "without a token they could read every event; set http.token "
            "(such as ${NONEVENT_TOKEN}), or listen on 127.0.0.1"
        )


def allowed_hosts(host: str) -> tuple[str, ...]:
    """The names in a Host header that are answered when listening on `host`.

    A page of another site can make a browser ask a loopback address under that site's name
    (DNS rebinding); the name gives it away. Other addresses need the token, which such a page
    does not have, and are known by names that only their network knows.
    """
    return (*LOCAL_NAMES, host.strip("[]").lower()) if is_loopback(host) else (ANY_HOST,)


class Access:
    """ASGI middleware: refuses unknown hosts and missing tokens, adds the security headers."""

    def __init__(self, app: ASGIApp, *, token: str | None, allowed_hosts: Sequence[str]) -> None:
        self.app = app
        self.token = token.encode() if token else None
        self.allowed_hosts = frozenset(name.strip("[]").lower() for name in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                guard(MutableHeaders(scope=message))
            await send(message)

        refused = self._refusal(scope)
        await (refused or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = host_name(headers.get("host", ""))
        if ANY_HOST not in self.allowed_hosts and host not in self.allowed_hosts:
            names = ", ".join(sorted(self.allowed_hosts))
            return _answer(scope, 403, f"this server answers as {names}, not as {host!r}")
        if self.token is not None and scope["path"] not in PROBES:
            refused = self._without_token(scope, headers)
            if refused is not None:
                return refused
        return _too_much(scope, headers)

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        assert self.token is not None
        if hmac.compare_digest(presented_token(headers.get("authorization", "")), self.token):
            return None
        return _answer(
            scope,
            401,
            "this server needs its token: send `Authorization: Bearer TOKEN`, "
            "or give it as the password (any user name) when the browser asks",
            {"WWW-Authenticate": 'Basic realm="nonevent", charset="UTF-8"'},
        )


def _too_much(scope: Scope, headers: Headers) -> Response | None:
    """Whatever is sent here is short, and is read into memory as a whole."""
    if "transfer-encoding" in headers:
        return _answer(scope, 411, "say how long the body is: Content-Length")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MOST_BYTES:
        return _answer(scope, 413, f"a body may have {MOST_BYTES:,} bytes: shorten what it says")
    return None


def guard(headers: MutableHeaders) -> None:
    """Adds what every answer says; data is never kept by browsers or proxies."""
    for name, value in SECURITY_HEADERS.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].rstrip(".").lower()


def presented_token(authorization: str) -> bytes:
    """What was sent as Bearer token or Basic password; empty when neither."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1", "replace")
    return _basic(authorization).partition(b":")[2]


def presented_user(authorization: str) -> str:
    """The name that was given with a Basic password: whatever somebody calls themselves."""
    return _basic(authorization).partition(b":")[0].decode(errors="replace")


def _basic(authorization: str) -> bytes:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _answer(
    scope: Scope, status: int, message: str, headers: dict[str, str] | None = None
) -> Response:
    if scope["path"].startswith("/api"):
        body, media_type = json.dumps({"error": message}), "application/json"
    else:
        body, media_type = f"{message}\n", "text/plain"
    return Response(body, status, headers, media_type)
