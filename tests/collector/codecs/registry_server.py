"""A schema registry over HTTP, as far as a reader needs one; and what Avro producers write."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro

from demo.broker import free_port


def wire(id: int, schema: Any, value: Any, names: Any = ()) -> bytes:
    """A value as a producer with a registry writes it."""
    named: dict[str, Any] = {}
    for one in names:
        fastavro.parse_schema(one, named)
    file = io.BytesIO()
    # A record of one field is written as that field, and carries the names of the others.
    only = {"type": "record", "name": "only", "fields": [{"name": "it", "type": schema}]}
    fastavro.schemaless_writer(file, fastavro.parse_schema(only, named), {"it": value})
    return head(id) + file.getvalue()


def head(id: int) -> bytes:
    return b"\0" + id.to_bytes(4, "big")


class RegistryServer:
    """Its schemas can be changed, and it can be stopped and started again at the same address."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/registry"
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[tuple[str, int], dict[str, Any]] = {}
        self.status = 200
        """What it answers to everything, where that is not 200."""
        self.page: bytes | None = None
        """What it says instead of a schema."""
        self.asked: list[str] = []
        self.authorization: list[str | None] = []
        self._server: ThreadingHTTPServer | None = None

    def add(self, id: int, schema: Any, **rest: Any) -> None:
        self.schemas[id] = {"schema": json.dumps(schema), **rest}

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.authorization.append(self.headers["authorization"])
                status, body = outer.answer(self.path.removeprefix("/registry"))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, path: str) -> tuple[int, bytes]:
        if self.status != 200 or self.page is not None:
            return self.status, self.page or b"no"
        parts = path.strip("/").split("/")
        found = None
        if parts[:2] == ["schemas", "ids"]:
            found = self.schemas.get(int(parts[2]))
        elif parts[0] == "subjects" and parts[2] == "versions":
            found = self.subjects.get((parts[1], int(parts[3])))
        if found is None:
            return 404, b'{"error_code":40403,"message":"Schema not found"}'
        return 200, json.dumps(found).encode()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def registry_server() -> Iterator[RegistryServer]:
    server = RegistryServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
