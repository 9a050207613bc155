"""The demo's switches over HTTP, on the loopback address."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from starlette.middleware.trustedhost import TrustedHostMiddleware

from demo.errors import OptionError
from demo.faults import FAULTS, Fault
from demo.switches import Switches

HOST = "127.0.0.1"


class FaultState(BaseModel):
    """A fault and how it stands."""

    name: str
    about: str
    reach: str
    on: bool
    share: float
    expect: dict[str, str]


class FaultList(BaseModel):
    items: list[FaultState]


class Switch(BaseModel):
    """What is asked for; without a share the fault's usual one."""

    model_config = ConfigDict(extra="forbid")

    on: bool
    share: float | None = None


def control_app(switches: Switches) -> FastAPI:
    """`GET /faults`, and `PUT /faults/NAME` with `{"on": true, "share": 0.2}`."""
    app = FastAPI(title="nonevent demo", openapi_url=None)
    # A page of another site may send a browser here: under its own name (DNS rebinding), and
    # without being asked first (but not with PUT).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])

    @app.get("/faults")
    async def faults() -> FaultList:
        return FaultList(items=[_state(switches, fault) for fault in FAULTS.values()])

    @app.put("/faults/{name}")
    async def switch(name: str, wanted: Switch) -> FaultState:
        try:
            return _state(switches, switches.switch(name, wanted.on, wanted.share))
        except OptionError as error:
            raise HTTPException(404 if name not in FAULTS else 422, str(error)) from error

    return app


@contextlib.asynccontextmanager
async def serving(switches: Switches) -> AsyncIterator[str]:
    """Answers on a free port while the block runs; its address."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen()
        server = _Server(
            uvicorn.Config(control_app(switches), log_config=None, access_log=False, ws="none")
        )
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://{HOST}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the demo, not this server alone."""
        yield


def _state(switches: Switches, fault: Fault) -> FaultState:
    return FaultState(
        name=fault.name,
        about=fault.about,
        reach=fault.reach,
        on=switches.is_on(fault),
        share=switches.share(fault),
        expect=dict(fault.while_on or fault.expect),
    )
