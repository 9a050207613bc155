"""Pages for alerts: what fires, one alert, silences and marks, who did what. Forms, no scripts."""

from collections.abc import Callable
from typing import Annotated, Any, get_args
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from analyzer.alerts.matching import BadMatcherError, Matcher
from ui.access import presented_user
from ui.acts import Acts, period
from ui.alert_models import AlertDetail, AlertPage, AlertState, PeriodState
from ui.chart import around
from ui.filters import ActFilter, AlertFilter, PeriodFilter
from ui.forms import Form, Forms
from ui.moments import moment_if_given
from ui.queries import Queries
from ui.rendering import page

STATES: tuple[AlertState, ...] = ("firing", "pending", "resolved")
RECENT = 20
"""So many that are over are listed where nobody asked for them."""
LASTING = ("30m", "1h", "2h", "4h", "8h", "1d", "7d")


def routes(queries: Queries, forms: Forms | None, clock: Callable[[], float]) -> APIRouter:
    """The pages; without `forms` they are for looking only."""
    router = APIRouter(include_in_schema=False)

    def shown(template: str, request: Request, **values: Any) -> HTMLResponse:
        return page(
            template,
            status=queries.status(),
            form_token=forms.token if forms else None,
            me=presented_user(request.headers.get("authorization", "")),
            lasting=LASTING,
            now=clock(),
            **values,
        )

    @router.get("/alerts")
    def alerts(request: Request, asked: Annotated[AlertFilter, Query()]) -> HTMLResponse:
        since = moment_if_given("since", asked.since or None, clock())

        def listed(state: AlertState) -> AlertPage:
            recent = state == "resolved" and asked.state is None
            return queries.alerts(
                state=state,
                expectation=asked.expectation,
                severity=asked.severity,
                label=asked.label,
                since=since,
                limit=min(RECENT, asked.limit) if recent else asked.limit,
                cursor=asked.cursor if asked.state else None,
            )

        return shown(
            "alerts.html",
            request,
            sections=[(s, listed(s)) for s in STATES if asked.state in (None, s)],
            asked=asked,
            given=asked.model_dump(exclude_defaults=True),
            states=get_args(AlertState),
        )

    @router.get("/alerts/{fingerprint}")
    def alert(request: Request, fingerprint: str) -> HTMLResponse:
        found = queries.alert(fingerprint)
        return shown(
            "alert.html",
            request,
            alert=found,
            back=f"/alerts/{found.fingerprint}",
            chart=around(queries, found, found.marks, clock()),
            matchers=matchers_of(found),
        )

    @router.get("/silences")
    def silences(request: Request, asked: Annotated[PeriodFilter, Query()]) -> HTMLResponse:
        return shown(
            "silences.html",
            request,
            silences=queries.silences(**asked.model_dump()),
            marks=queries.marks(state=asked.state, limit=asked.limit),
            asked=asked,
            given=asked.model_dump(exclude_defaults=True),
            states=get_args(PeriodState),
        )

    @router.get("/acts")
    def acts(request: Request, asked: Annotated[ActFilter, Query()]) -> HTMLResponse:
        since = moment_if_given("since", asked.since or None, clock())
        return shown(
            "acts.html",
            request,
            acts=queries.acts(**{**asked.model_dump(), "since": since}),
            asked=asked,
            given=asked.model_dump(exclude_defaults=True),
        )

    return router


def form_routes(acts: Acts, forms: Forms, clock: Callable[[], float]) -> APIRouter:
    """What the forms of these pages have done. Each leads back to a page."""
    router = APIRouter(include_in_schema=False)
    sent = Depends(forms.read)

    @router.post("/alerts/{fingerprint}/acknowledge")
    def acknowledge(fingerprint: str, form: Annotated[Form, sent]) -> RedirectResponse:
        acts.acknowledge(fingerprint, form.text("author"), form.text("comment"))
        return _to_alert(fingerprint)

    @router.post("/alerts/{fingerprint}/take-back")
    def take_back(fingerprint: str, form: Annotated[Form, sent]) -> RedirectResponse:
        acts.take_back(fingerprint, form.text("author"), form.text("comment"))
        return _to_alert(fingerprint)

    @router.post("/alerts/{fingerprint}/close")
    def close(fingerprint: str, form: Annotated[Form, sent]) -> RedirectResponse:
        acts.close(fingerprint, form.text("author"), form.text("comment"))
        return _to_alert(fingerprint)

    @router.post("/findings/{id}/close")
    def close_finding(id: str, form: Annotated[Form, sent]) -> RedirectResponse:
        acts.close_finding(id, form.text("author"), form.text("comment"))
        back = form.text("back")
        known = back.startswith(("/flows/", "/alerts/"))
        return RedirectResponse(back if known else "/findings", 303)

    @router.post("/silences")
    def silence(form: Annotated[Form, sent]) -> RedirectResponse:
        starts, ends = period(form.given("from"), form.given("until"), form.given("for"), clock())
        acts.silence(
            form.lines("matchers"), starts, ends, form.text("author"), form.text("comment"),
            confirm="confirm" in form.fields,
        )  # fmt: skip
        return _to_alert(back) if (back := form.given("alert")) else _to_silences()

    @router.post("/silences/{id}/expire")
    def expire(id: int, form: Annotated[Form, sent]) -> RedirectResponse:
        acts.expire(id, form.text("author"), form.text("comment"))
        return _to_silences()

    @router.post("/marks")
    def mark(form: Annotated[Form, sent]) -> RedirectResponse:
        starts, ends = period(form.given("from"), form.given("until"), form.given("for"), clock())
        acts.mark(
            "maintenance" if form.text("what") == "maintenance" else "deploy",
            form.lines("matchers"), starts, ends, form.text("author"), form.text("comment"),
            confirm="confirm" in form.fields,
        )  # fmt: skip
        return _to_silences()

    @router.post("/marks/{id}/end")
    def end_mark(id: int, form: Annotated[Form, sent]) -> RedirectResponse:
        acts.end_mark(id, form.text("author"), form.text("comment"))
        return _to_silences()

    return router


def matchers_of(alert: AlertDetail) -> list[str]:
    """Those that fit this alert, and others that are alike: a line each, for a form."""
    labels = {"expectation": alert.expectation, "type": alert.type, **alert.labels}
    written = [f'{name}="{value}"' for name, value in labels.items()]
    if all(map(_comes_back, labels, labels.values(), written)):
        return written
    return [f"alert={alert.fingerprint}"]


def _comes_back(name: str, value: str, written: str) -> bool:
    """Whether a form gives back what it was given, and it says what is meant."""
    try:
        matcher = Matcher.parse(written)
    except BadMatcherError:
        return False
    meant = (matcher.name, matcher.operator, matcher.value) == (name, "=", value)
    return meant and written.isprintable()


def _to_alert(fingerprint: str) -> RedirectResponse:
    return RedirectResponse(f"/alerts/{quote(fingerprint, safe='')}", 303)


def _to_silences() -> RedirectResponse:
    return RedirectResponse("/silences", 303)
