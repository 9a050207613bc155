"""The HTTP server in a thread of its own, so that the tap's loop never waits for a page."""

import asyncio
import contextlib
import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from ui.errors import CannotListenError

BACKLOG = 128
SECONDS_TO_FINISH = 3
EVERY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


class Server:
    """Serves one application from `start` to `stop`; port 0 takes a free one."""

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self.host = host.strip("[]")
        self._wanted_port = port
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        # No log configuration of uvicorn's own: its loggers reach the daemon's handlers.
        self._uvicorn = _Announced(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                lifespan="on",
                timeout_graceful_shutdown=SECONDS_TO_FINISH,
            ),
            self._started,
        )

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        if self._socket is None:
            return self._wanted_port
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = EVERY_ADDRESS.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> None:
        """Returns once requests are answered; raises CannotListenError when they cannot be."""
        self._socket = listening_socket(self.host, self._wanted_port)
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)
        self._thread.start()
        self._started.wait()
        if not self._uvicorn.started:
            self.stop()
            raise CannotListenError(
                "the HTTP server ended while it started; its reason is in the log above"
            )

    def stop(self) -> None:
        """Lets running requests finish for a few seconds, then closes."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join(2 * SECONDS_TO_FINISH)
            self._thread = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _serve(self) -> None:
        try:
            # uvicorn means to end the process when it cannot start; `start` tells its caller.
            with contextlib.suppress(SystemExit):
                # In a thread it leaves the signals to whoever owns the process.
                asyncio.run(self._uvicorn.serve(sockets=[self._socket] if self._socket else None))
        finally:
            self._started.set()


class _Announced(uvicorn.Server):
    """Tells when start-up is over, well or not."""

    def __init__(self, config: uvicorn.Config, over: threading.Event) -> None:
        super().__init__(config)
        self._over = over

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._over.set()


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket bound and listening, or an error that says what to change."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError, OverflowError) as error:
        raise CannotListenError(
            f"http.listen: {host}:{port} is no address of this machine ({error}); "
            "write it as 127.0.0.1:8321"
        ) from error
    family, kind, protocol, _, address = found[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise CannotListenError(
            f"http.listen: cannot listen on {host}:{port} ({error.strerror}); "
            "stop what listens there, or choose another port (0 takes a free one)"
        ) from error
    return opened
