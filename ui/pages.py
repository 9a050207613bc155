"""The pages for people: flows, one flow with its ghosts, findings, expectations. No scripts."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, get_args
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ui import timeline
from ui.access import presented_user
from ui.chart import last_hour
from ui.errors import UnknownFlowError
from ui.filters import ConsumerFilter, FindingFilter, FlowFilter, ServiceFilter
from ui.forms import Forms
from ui.models import FindingState, FlowDetail, FlowState, Status, WhyPage
from ui.moments import moment_if_given
from ui.queries import Queries
from ui.rendering import ICON, STYLE, flow_path, page

MOST_ROWS = 1_000
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}


def routes(queries: Queries, forms: Forms | None, clock: Callable[[], float]) -> APIRouter:
    """The pages and the two files that they need; without `forms` they are for looking only."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def flows(asked: Annotated[FlowFilter, Query()]) -> Response:
        if asked.q and not asked.cursor and (only := queries.flow(asked.q)):
            return RedirectResponse(flow_path(only.flow), 303)
        return flow_list(queries, asked, clock())

    @router.get("/flows/{id:path}")
    def flow(request: Request, id: str) -> HTMLResponse:
        found = queries.flow(id)
        if found is None:
            raise UnknownFlowError(id)
        lacks = any(item.kind == "ghost" for item in found.timeline)
        offends = any(item.state == "violated" for item in found.instances)
        whys = queries.why(found.flow) if lacks or offends else None
        me = presented_user(request.headers.get("authorization", ""))
        token = forms.token if forms else None
        return flow_page(found, whys, queries.status(), clock(), token, me)

    @router.get("/findings")
    def findings(asked: Annotated[FindingFilter, Query()]) -> HTMLResponse:
        return finding_list(queries, asked, clock())

    @router.get("/expectations")
    def expectations() -> HTMLResponse:
        return expectation_list(queries, clock())

    @router.get("/consumers")
    def consumers(asked: Annotated[ConsumerFilter, Query()]) -> HTMLResponse:
        return consumer_list(queries, asked, clock())

    @router.get("/services")
    def services(asked: Annotated[ServiceFilter, Query()]) -> HTMLResponse:
        return service_list(queries, asked, clock())

    @router.get("/static/style.css")
    async def style() -> Response:
        return Response(STYLE, media_type="text/css", headers=FOR_GOOD)

    @router.get("/static/icon.svg")
    async def icon() -> Response:
        return Response(ICON, media_type="image/svg+xml", headers=FOR_GOOD)

    return router


def flow_list(queries: Queries, asked: FlowFilter, now: float) -> HTMLResponse:
    """Flows that fit the filter, or what to do when there are none."""
    given = asked.model_dump(exclude_defaults=True)
    found = queries.flows(
        type=asked.type,
        state=asked.state,
        q=asked.q,
        name=asked.name,
        without=asked.without,
        since=moment_if_given("since", asked.since or None, now),
        until=moment_if_given("until", asked.until or None, now),
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return page(
        "flows.html",
        status=queries.status(),
        flows=found,
        asked=asked,
        given=given,
        # What is looked for is to stand on the first screen.
        chart=None if given else last_hour(queries, now),
        states=get_args(FlowState),
        now=now,
    )


def flow_page(
    found: FlowDetail,
    whys: WhyPage | None,
    status: Status,
    now: float,
    form_token: str | None,
    me: str,
) -> HTMLResponse:
    """One flow: what happened, what did not and why not, and what is still awaited."""
    laid_out = timeline.rows(found.timeline)
    return page(
        "flow.html",
        status=status,
        flow=found,
        rows=timeline.shortened(laid_out, MOST_ROWS),
        whys={(one.type, one.expectation, one.deadline): one for one in whys.items} if whys else {},
        several_sources=len(timeline.sources(found.timeline)) > 1,
        form_token=form_token,
        me=me,
        back=flow_path(found.flow),
        api_path=f"/api/flows/{quote(found.flow, safe='', errors='replace')}",
        now=now,
    )


def finding_list(queries: Queries, asked: FindingFilter, now: float) -> HTMLResponse:
    """Findings that fit the filter, the one that changed last first."""
    found = queries.findings(
        expectation=asked.expectation,
        state=asked.state,
        flow=asked.flow,
        alert=asked.alert,
        since=moment_if_given("since", asked.since or None, now),
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return page(
        "findings.html",
        status=queries.status(),
        findings=found,
        # Where nothing was found, it matters whether there was anything to judge.
        silent=0 if found.items else sum(one.silent for one in queries.expectations().items),
        asked=asked,
        given=asked.model_dump(exclude_defaults=True),
        states=get_args(FindingState),
        now=now,
    )


def expectation_list(queries: Queries, now: float) -> HTMLResponse:
    """Every live expectation, the silent ones told apart from those that nothing came of."""
    found = queries.expectations()
    return page("expectations.html", status=queries.status(), expectations=found.items, now=now)


def consumer_list(queries: Queries, asked: ConsumerFilter, now: float) -> HTMLResponse:
    """Every consumer, those first that are not fine."""
    items = queries.consumers(group=asked.group).items
    items.sort(key=lambda one: one.verdict in ("ok", "unseen"))
    counts = Counter(one.verdict for one in items)
    return page(
        "consumers.html",
        status=queries.status(),
        consumers=items[:MOST_ROWS],
        more=max(0, len(items) - MOST_ROWS),
        counts=sorted(counts.items()),
        asked=asked,
        now=now,
    )


def service_list(queries: Queries, asked: ServiceFilter, now: float) -> HTMLResponse:
    """Every service with its balance; one that is asked for minute by minute, too."""
    since = moment_if_given("since", asked.since or None, now)
    return page(
        "services.html",
        status=queries.status(),
        found=queries.services(service=asked.service, since=since),
        asked=asked,
        most=MOST_ROWS,
        now=now,
    )
