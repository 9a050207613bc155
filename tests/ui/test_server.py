"""The server's thread: it starts, says what is wrong, and stops."""

import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from tests.ui.conftest import FakeQueries
from ui.errors import CannotListenError
from ui.server import Server


def server_threads() -> int:
    return [thread.name for thread in threading.enumerate()].count("http")


def test_a_free_port_is_taken_and_given_back(
    serve: Callable[..., Server], queries: FakeQueries
) -> None:
    before = server_threads()
    server = serve(queries)
    assert server.port > 0
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert httpx.get(f"{server.url}/healthz", trust_env=False).status_code == 200
    url = server.url
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz", trust_env=False)
    assert server_threads() == before
    server.stop()


def test_a_busy_port_is_told_to_the_caller() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListenError, match=rf"127\.0\.0\.1:{port}.*choose another port"):
            Server(FastAPI(), host="127.0.0.1", port=port).start()


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no.such.invalid", 0)])
def test_a_foreign_address_is_told_to_the_caller(host: str, port: int) -> None:
    with pytest.raises(CannotListenError, match=r"http\.listen"):
        Server(FastAPI(), host=host, port=port).start()


def test_an_application_that_cannot_start_is_told_to_the_caller() -> None:
    @asynccontextmanager
    async def broken(_: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no")
        yield

    with pytest.raises(CannotListenError, match="while it started"):
        Server(FastAPI(lifespan=broken), host="127.0.0.1", port=0).start()


def test_addresses_as_a_browser_writes_them() -> None:
    assert Server(FastAPI(), host="0.0.0.0", port=80).url == "http://127.0.0.1:80"
    assert Server(FastAPI(), host="[::1]", port=80).url == "http://[::1]:80"
