"""What commands have the running daemon do with its store.

Only POST, and only with a header of ours: no page of another site can make a browser send that.
"""

from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Header, HTTPException
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from ui.command_header import COMMAND_HEADER
from ui.failures import Failure

REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Failure, "description": "Refused; `error` says what to change."}
}


class Busy(Exception):
    """One at a time: another copy is being made."""


class Operations(Protocol):
    """Every method may be called from any thread, and takes as long as it takes."""

    def copy(self, *, plain: bool) -> Path:
        """A copy of the store in a file that the caller deletes; raises Busy."""
        ...


def from_a_command(command: Annotated[str | None, Header(alias=COMMAND_HEADER)] = None) -> None:
    if command is None:
        raise HTTPException(
            403, f"send the header `{COMMAND_HEADER}: yes`, which browsers do not send for others"
        )


def routes(operations: Operations) -> APIRouter:
    router = APIRouter(
        prefix="/api", tags=["store"], responses=REFUSALS, dependencies=[Depends(from_a_command)]
    )

    def answer(*, plain: bool) -> FileResponse:
        try:
            path = operations.copy(plain=plain)
        except Busy as error:
            raise HTTPException(409, str(error)) from None
        return CopyOfStore(path, background=BackgroundTask(path.unlink, missing_ok=True))

    @router.post("/snapshot", response_class=CopyOfStore)
    def snapshot() -> FileResponse:
        """A copy for any DuckDB, of one moment; it is sent once it is whole."""
        return answer(plain=True)

    @router.post("/backup", response_class=CopyOfStore)
    def backup() -> FileResponse:
        """A copy that nonevent can go on with, of one moment; it is sent once it is whole."""
        return answer(plain=False)

    return router


class CopyOfStore(FileResponse):
    media_type = "application/vnd.duckdb"
