"""Whatever goes wrong in a request, told in the form its sender reads: JSON, or a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collector.errors import StoreError
from ui.access import guard
from ui.errors import BadParameterError, NothingSuchError, NothingToDoError, UnknownFlowError
from ui.rendering import page

SEVERAL_ROUTES = "/openapi.json lists what there is"


class Failure(BaseModel):
    """What went wrong, and its cure."""

    error: str


def install(app: FastAPI) -> None:
    """Answers every kind of failure of this application."""

    @app.exception_handler(BadParameterError)
    async def _bad_parameter(request: Request, error: BadParameterError) -> Response:
        return answer(request, 400, str(error))

    @app.exception_handler(UnknownFlowError)
    async def _unknown_flow(request: Request, error: UnknownFlowError) -> Response:
        return answer(request, 404, str(error), search=error.flow)

    @app.exception_handler(NothingSuchError)
    async def _nothing_such(request: Request, error: NothingSuchError) -> Response:
        return answer(request, 404, str(error))

    @app.exception_handler(NothingToDoError)
    async def _nothing_to_do(request: Request, error: NothingToDoError) -> Response:
        return answer(request, 409, str(error))

    @app.exception_handler(StoreError)
    async def _not_stored(request: Request, error: StoreError) -> Response:
        return answer(request, 503, str(error))

    @app.exception_handler(RequestValidationError)
    async def _bad_request(request: Request, error: RequestValidationError) -> Response:
        return answer(request, 400, "; ".join(mistakes(error.errors())))

    @app.exception_handler(HTTPException)
    async def _refused(request: Request, error: HTTPException) -> Response:
        return answer(request, error.status_code, _told(request, error), headers=error.headers)

    @app.exception_handler(Exception)
    async def _failed(request: Request, error: Exception) -> Response:
        failed = answer(
            request, 500, f"the answer could not be made ({type(error).__name__}); see the log"
        )
        # This one is sent from outside of all middleware.
        guard(failed.headers)
        return failed


def answer(
    request: Request,
    status: int,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    search: str | None = None,
) -> Response:
    """A page for a browser that asked for a page, JSON for everyone else."""
    path = request.url.path
    if not path.startswith("/api") and "text/html" in request.headers.get("accept", ""):
        failed: Response = page(
            "error.html", status_code=status, code=status, message=message, search=search
        )
        failed.headers.update(headers or {})
        return failed
    return JSONResponse(Failure(error=message).model_dump(), status, headers)


def mistakes(errors: Sequence[Any]) -> list[str]:
    """One sentence for each parameter that was refused, with its name and the cure."""
    return [f"{error['loc'][-1]}: {_mistake(error)}" for error in errors]


def _mistake(error: Any) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "there is no such parameter; /openapi.json lists those there are"
        case "literal_error":
            return f"{error['input']!r} is none of {error['ctx']['expected']}"
        case "string_too_long":
            return f"longer than {error['ctx']['max_length']} characters; shorten it"
        case _:
            text: str = error["msg"]
            return f"{error['input']!r} will not do: {text[:1].lower()}{text[1:]}"


def _told(request: Request, error: HTTPException) -> str:
    standard = error.detail in ("Not Found", "Method Not Allowed")
    if not standard:
        return str(error.detail)
    return f"{request.method} {request.url.path} is not served; {SEVERAL_ROUTES}"
