"""The API of alerts: what they are, and what people do about them.

What changes something needs the command header, as every POST does (see `ui.operations`).
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ui.acts import Acts, MarkAsked, Signed, SilenceAsked
from ui.alert_models import (
    Act,
    ActPage,
    AlertDetail,
    AlertPage,
    Mark,
    MarkPage,
    Silence,
    SilencePage,
    Tally,
)
from ui.filters import ActFilter, AlertFilter, PeriodFilter
from ui.moments import moment_if_given
from ui.operations import REFUSALS, from_a_command
from ui.queries import Queries

Who = Annotated[Signed, Query()]


def routes(queries: Queries, clock: Callable[[], float]) -> APIRouter:
    """Every question about alerts as a GET."""
    router = APIRouter(prefix="/api", tags=["alerts"], responses=REFUSALS)

    def moment(name: str, text: str | None) -> int | None:
        return moment_if_given(name, text, clock())

    @router.get("/alerts")
    def alerts(asked: Annotated[AlertFilter, Query()]) -> AlertPage:
        """Alerts, the one that changed last first."""
        return queries.alerts(
            state=asked.state,
            expectation=asked.expectation,
            severity=asked.severity,
            label=asked.label,
            since=moment("since", asked.since),
            limit=asked.limit,
            cursor=asked.cursor,
        )

    @router.get("/alerts/{fingerprint}")
    def alert(fingerprint: str) -> AlertDetail:
        """One alert, with its findings, its history, and what was done and told about it."""
        return queries.alert(fingerprint)

    @router.get("/silences")
    def silences(asked: Annotated[PeriodFilter, Query()]) -> SilencePage:
        """Silences, the newest first."""
        return queries.silences(**asked.model_dump())

    @router.get("/marks")
    def marks(asked: Annotated[PeriodFilter, Query()]) -> MarkPage:
        """Marks of deploys and maintenance, the newest first."""
        return queries.marks(**asked.model_dump())

    @router.get("/acts")
    def acts(asked: Annotated[ActFilter, Query()]) -> ActPage:
        """The audit trail: who did what, the newest first."""
        return queries.acts(**{**asked.model_dump(), "since": moment("since", asked.since)})

    @router.get("/tally")
    def tally() -> Tally:
        """How many findings, alerts and notifications there are, by what tells them apart."""
        return queries.tally()

    return router


def act_routes(acts: Acts, clock: Callable[[], float]) -> APIRouter:
    """Everything that people do."""
    router = APIRouter(
        prefix="/api", tags=["alerts"], responses=REFUSALS, dependencies=[Depends(from_a_command)]
    )

    @router.post("/alerts/{fingerprint}/acknowledge")
    def acknowledge(fingerprint: str, asked: Signed) -> Act:
        """Somebody looks after it: nobody hears of it again before it is over."""
        return acts.acknowledge(fingerprint, asked.author, asked.comment)

    @router.post("/alerts/{fingerprint}/take-back")
    def take_back(fingerprint: str, asked: Signed) -> Act:
        """Takes an acknowledgement back."""
        return acts.take_back(fingerprint, asked.author, asked.comment)

    @router.post("/alerts/{fingerprint}/close")
    def close(fingerprint: str, asked: Signed) -> Act:
        """Closes all findings that stand in it now."""
        return acts.close(fingerprint, asked.author, asked.comment)

    @router.post("/findings/{id}/close")
    def close_finding(id: str, asked: Signed) -> Act:
        """Closes one finding."""
        return acts.close_finding(id, asked.author, asked.comment)

    @router.post("/silences", status_code=201)
    def silence(asked: SilenceAsked) -> Silence:
        """Alerts that fit all matchers are not told until it ends."""
        starts, ends = asked.period(clock())
        return acts.silence(
            asked.matchers, starts, ends, asked.author, asked.comment, confirm=asked.confirm
        )

    @router.delete("/silences/{id}")
    def expire(id: int, asked: Who) -> Act:
        """Ends a silence before its time."""
        return acts.expire(id, asked.author, asked.comment)

    @router.post("/marks", status_code=201)
    def mark(asked: MarkAsked) -> Mark:
        """A deploy is only shown; maintenance silences the alerts that fit."""
        starts, ends = asked.period(clock())
        return acts.mark(
            asked.what, asked.matchers, starts, ends, asked.author, asked.comment,
            confirm=asked.confirm,
        )  # fmt: skip

    @router.delete("/marks/{id}")
    def end_mark(id: int, asked: Who) -> Act:
        """Ends a mark before its time."""
        return acts.end_mark(id, asked.author, asked.comment)

    return router
