"""What machines ask about the process itself: alive, ready, measured."""

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import PlainTextResponse, Response
from prometheus_client.registry import Collector

from ui.metrics import exposition
from ui.queries import Queries


def routes(
    queries: Queries, *, ready: Callable[[], bool], collectors: Sequence[Collector]
) -> APIRouter:
    """Liveness and readiness wait for no reader: they answer while the store is busy."""
    router = APIRouter(tags=["probes"])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> PlainTextResponse:
        """200 while the process lives."""
        return PlainTextResponse("alive\n")

    @router.head("/readyz", include_in_schema=False)
    @router.get(
        "/readyz",
        response_class=PlainTextResponse,
        responses={503: {"description": "Not yet; the body says why."}},
    )
    async def readyz() -> PlainTextResponse:
        """200 once the API and the taps have started, and while what they read can be stored."""
        if ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse(
            "not ready: the taps have not started yet, or wait for room on the store's disk\n", 503
        )

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics(accept: Annotated[str | None, Header()] = None) -> Response:
        """Prometheus (or, where asked for, OpenMetrics) text."""
        text, content_type = exposition(
            queries.status(),
            queries.tally(),
            queries.expectations().items,
            queries.consumers().items,
            collectors,
            accept,
        )
        return Response(text, headers={"Content-Type": content_type})

    return router
