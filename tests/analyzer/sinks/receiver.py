"""A real HTTP server at the other end: it takes, refuses, hangs, resets, goes away, comes back."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from demo.broker import free_port

HANG, SLOW, RESET, DRIP, LONG = "hang", "slow", "reset", "drip", "long"


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes
    answer: int | str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    block_on_close = False


class Receiver:
    """`next` says what it does to the coming requests, `always` to those after them."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/secret-path"
        self._tls = tls
        self.next: list[int | str] = []
        self.always: int | str = 200
        self.bad: dict[str, int] = {}
        """Answers to requests that hold a text."""
        self.headers: dict[str, str] = {}
        """Of every answer."""
        self.requests: list[Request] = []
        self.connections = 0
        self.open: set[socket.socket] = set()
        self._goes_on = threading.Event()
        self._server: Server | None = None

    @property
    def taken(self) -> list[Request]:
        return [one for one in self.requests if one.answer == 200]

    @property
    def ids(self) -> list[str]:
        return [one.json["id"] for one in self.taken]

    def start(self) -> None:
        outer = self
        self._goes_on.clear()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                outer.open.add(self.request)
                super().setup()

            def finish(self) -> None:
                outer.open.discard(self.request)
                super().finish()

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) == length:  # else the sender was killed over it
                    outer.answer(self, body)

            def do_GET(self) -> None:
                outer.answer(self, b"")

            def log_message(self, *args: object) -> None:
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        what = self.next.pop(0) if self.next else self.always
        for text, code in self.bad.items():
            if text.encode() in body:
                what = code
        headers = {key.lower(): value for key, value in handler.headers.items()}
        self.requests.append(Request(handler.path, headers, body, what))
        handler.close_connection = isinstance(what, str)
        if what == RESET:
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            return
        if what in (HANG, SLOW):
            self._goes_on.wait()
            if what == HANG:
                return
            what = 200
        if what == LONG:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with contextlib.suppress(OSError):
                while not self._goes_on.is_set():
                    handler.wfile.write(b"x" * 65536)
            return
        if what == DRIP:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self._goes_on.wait(0.1):
                handler.wfile.write(b"x: y\r\n")
            return
        handler.send_response(int(what))
        for key, value in self.headers.items():
            handler.send_header(key, value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    def go_on(self) -> None:
        """Whoever waits is answered."""
        self._goes_on.set()

    def stop(self) -> None:
        self._goes_on.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for one in list(self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    found = Receiver(tls)
    found.start()
    try:
        yield found
    finally:
        found.stop()
