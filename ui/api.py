"""The HTTP application: the API's routes, and the parts that it is put together from."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated, Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPBearer
from prometheus_client.registry import Collector

from collector.selection import Selection
from ui import alert_pages, alert_routes, failures, operations, pages, probes
from ui.access import Access
from ui.acts import Acts
from ui.errors import UnknownFlowError
from ui.filters import (
    ConsumerFilter,
    CountFilter,
    EventFilter,
    ExportFilter,
    FindingFilter,
    FlowFilter,
    ServiceFilter,
    WhyFilter,
)
from ui.forms import Forms
from ui.models import (
    ConsumerPage,
    CountPage,
    DroppedPage,
    EventPage,
    ExpectationPage,
    FindingPage,
    FlowDetail,
    FlowPage,
    NamePage,
    ServicePage,
    Status,
    WhyAnswer,
)
from ui.moments import moment_if_given
from ui.queries import Queries

READERS = 4
DESCRIPTION = "What should have happened on the event bus and didn't. Times are RFC 3339 in UTC."
REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": failures.Failure, "description": "Refused; `error` says what to change."}
}


class EventLines(StreamingResponse):
    media_type = "application/x-ndjson"


def create_app(
    queries: Queries,
    *,
    token: str | None,
    allowed_hosts: Sequence[str],
    ready: Callable[[], bool],
    collectors: Sequence[Collector] = (),
    store: operations.Operations | None = None,
    acts: Acts | None = None,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """API, pages and probes over one set of queries.

    `store` does what commands ask for, `acts` what people do. `collectors` are further Prometheus
    metrics for `/metrics`; `clock` gives seconds since 1970.
    """
    app = FastAPI(
        title="nonevent",
        version=version("nonevent"),
        description=DESCRIPTION,
        # Swagger's page loads scripts from other hosts, and this server has no scripts.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_bounded_readers,
        dependencies=[Depends(HTTPBearer(auto_error=False))] if token else None,
    )
    app.add_middleware(Access, token=token, allowed_hosts=allowed_hosts)
    failures.install(app)
    app.include_router(routes(queries, clock))
    app.include_router(alert_routes.routes(queries, clock))
    forms = None
    if acts is not None:
        forms = Forms()
        app.include_router(alert_routes.act_routes(acts, clock))
        app.include_router(alert_pages.form_routes(acts, forms, clock))
    if store is not None:
        app.include_router(operations.routes(store))
    app.include_router(probes.routes(queries, ready=ready, collectors=collectors))
    app.include_router(pages.routes(queries, forms, clock))
    app.include_router(alert_pages.routes(queries, forms, clock))
    return app


@asynccontextmanager
async def _bounded_readers(_: FastAPI) -> AsyncIterator[None]:
    """Queries block, so routes run in threads; few of them, or pages would starve the tap."""
    current_default_thread_limiter().total_tokens = READERS
    yield


def routes(queries: Queries, clock: Callable[[], float]) -> APIRouter:
    """Every question of `Queries` as a GET."""
    router = APIRouter(prefix="/api", tags=["api"], responses=REFUSALS)

    def moment(name: str, text: str | None) -> int | None:
        return moment_if_given(name, text, clock())

    @router.get("/flows")
    def flows(asked: Annotated[FlowFilter, Query()]) -> FlowPage:
        """Flows, the one whose newest event was stored last first."""
        return queries.flows(
            type=asked.type,
            state=asked.state,
            q=asked.q,
            name=asked.name,
            without=asked.without,
            since=moment("since", asked.since),
            until=moment("until", asked.until),
            limit=asked.limit,
            cursor=asked.cursor,
        )

    # Before the flow's own, whose ID may hold slashes.
    @router.get("/flows/{id:path}/why")
    def why(id: str, asked: Annotated[WhyFilter, Query()]) -> WhyAnswer:
        """Why something is missing from a flow: an object; a list where not just one is."""
        found = queries.why(id, asked.expectation)
        if found is None:
            raise UnknownFlowError(id)
        return WhyAnswer.of(found)

    @router.get("/flows/{id:path}")
    def flow(id: str) -> FlowDetail:
        """One flow, by its correlation ID or by a key's value that only one flow carries."""
        found = queries.flow(id)
        if found is None:
            raise UnknownFlowError(id)
        return found

    @router.get("/findings")
    def findings(asked: Annotated[FindingFilter, Query()]) -> FindingPage:
        """Findings, the one that changed last first."""
        return queries.findings(
            expectation=asked.expectation,
            state=asked.state,
            flow=asked.flow,
            alert=asked.alert,
            since=moment("since", asked.since),
            limit=asked.limit,
            cursor=asked.cursor,
        )

    @router.get("/events")
    def events(asked: Annotated[EventFilter, Query()]) -> EventPage:
        """Events in the order in which they were stored; without `after` the newest."""
        return queries.events(**asked.model_dump())

    @router.get("/counts")
    def counts(asked: Annotated[CountFilter, Query()]) -> CountPage:
        """How many events each minute has, the first minute first."""
        return queries.counts(
            since=moment("since", asked.since),
            until=moment("until", asked.until),
            by=asked.by,
            limit=asked.limit,
            cursor=asked.cursor,
        )

    @router.get("/expectations")
    def expectations() -> ExpectationPage:
        """Every live expectation: what was found, and when it last had something to judge."""
        return queries.expectations()

    @router.get("/consumers")
    def consumers(asked: Annotated[ConsumerFilter, Query()]) -> ConsumerPage:
        """Every consumer group's partitions: lag, and the verdict with its reason."""
        return queries.consumers(group=asked.group)

    @router.get("/services")
    def services(asked: Annotated[ServiceFilter, Query()]) -> ServicePage:
        """Who runs which step, declared or learned; what it took in against what it brought out."""
        return queries.services(service=asked.service, since=moment("since", asked.since))

    @router.get("/names")
    def names() -> NamePage:
        """Every name of events that is stored, by topic: how often, and from when to when."""
        return queries.names()

    @router.get("/dropped")
    def dropped() -> DroppedPage:
        """Which topics, names and producers drop correlation IDs, and since when."""
        return queries.dropped()

    @router.get("/export", response_class=EventLines)
    def export(asked: Annotated[ExportFilter, Query()]) -> EventLines:
        """Stored events as event lines (JSON Lines), in the order of storing."""
        wanted = Selection(
            moment("since", asked.since), moment("until", asked.until), asked.topic, asked.flow
        )
        return EventLines(queries.export(wanted))

    @router.get("/status")
    def status() -> Status:
        """How far everything was read and judged."""
        return queries.status()

    return router
