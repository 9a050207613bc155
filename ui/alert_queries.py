"""Alerts and what people did, read from the store, whether a daemon runs on it or not."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from analyzer.alerts.matching import BadMatcherError, Matcher, fits_all, parse_all
from analyzer.alerts.quiet import acknowledged, starts_of
from analyzer.alerts.reading import acts as read_acts
from analyzer.alerts.reading import alert_rows
from analyzer.alerts.rows import ActRow, AlertRow
from analyzer.reading import findings as read_findings
from analyzer.rules.ruleset import RuleSet
from analyzer.tables import labels_of
from collector.store.store import Store
from collector.times import US_PER_S, format_time
from ui import alert_history
from ui.act_rows import act_model, ends_early, ends_of, mark_model, silence_model
from ui.alert_models import (
    ActPage,
    AlertDetail,
    AlertItem,
    AlertPage,
    Mark,
    MarkPage,
    Silence,
    SilencePage,
    Tally,
)
from ui.errors import BadParameterError
from ui.rows import finding_model, moment
from ui.store_acts import the_alert
from ui.whose_alert import of_alert

FINDINGS = 20
"""So many are shown with their alert."""
NEAR = 3600 * US_PER_S
"""A mark so long before an alert began may have to do with it."""
CHUNK = 500
LATEST = 2**62
Held = TypeVar("Held", Silence, Mark)
SILENCES, MARKS, ENDS = "kind = 'silence'", "kind = 'mark'", "kind = 'expire'"


class AlertQueries:
    """`link_base`: where people reach the pages; empty where nobody knows. `clock` gives µs."""

    def __init__(
        self,
        store: Store,
        rules: Callable[[], RuleSet],
        link_base: Callable[[], str],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._rules = rules
        self._link_base = link_base
        self._clock = clock

    def alerts(
        self,
        *,
        state: str | None = None,
        expectation: str | None = None,
        severity: str | None = None,
        label: Sequence[str] = (),
        since: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> AlertPage:
        matchers = _matchers("label", label)
        conditions, parameters = ["seq < ?"], []
        for value, condition in (
            (state, "state = ?"),
            (expectation, "expectation = ?"),
            (severity, "severity = ?"),
            (since, "epoch_us(moment) >= ?"),
        ):
            if value is not None:
                conditions.append(condition)
                parameters.append(value)
        clauses = f"WHERE {' AND '.join(conditions)} ORDER BY seq DESC LIMIT ?"
        found: list[AlertRow] = []
        before = number("cursor", cursor) or LATEST
        with self._store.reader() as connection:
            while len(found) <= limit:
                rows = alert_rows(connection, clauses, [before, *parameters, CHUNK])
                found += [row for row in rows if fits_all(matchers, fields(row))]
                if len(rows) < CHUNK:
                    break
                before = rows[-1].seq
        more = str(found[limit - 1].seq) if len(found) > limit else None
        return AlertPage(items=[self._item(row) for row in found[:limit]], next=more)

    def alert(self, fingerprint: str) -> AlertDetail:
        """By its fingerprint, or the beginning of it; raises NothingSuchError."""
        now = self._clock()
        with self._store.reader() as connection:
            row = the_alert(connection, fingerprint)
            clauses, parameters = of_alert(connection, self._rules(), row)
            found = read_findings(
                connection,
                f"WHERE {clauses} ORDER BY state = 'open' DESC, seq DESC LIMIT {FINDINGS + 1}",
                parameters,
            )
            periods = read_acts(connection, f"WHERE {SILENCES} OR {MARKS} OR {ENDS} ORDER BY seq")
            about = [act for act in periods if fits_all(parse_all(act.matchers), fields(row))]
            ended = ends_early(periods)
            shown = found[:FINDINGS]
            item = self._item(row)
            if row.state != "resolved":
                # At once, though the alert itself is judged anew a moment later.
                own = read_acts(connection, "WHERE alert = ? ORDER BY seq", [row.fingerprint])
                item.acknowledged = acknowledged(own, row.fingerprint, row.began)
            return AlertDetail(
                **item.model_dump(),
                findings=[finding_model(one, first, row.fingerprint) for one, first in shown],
                more_findings=len(found) > FINDINGS,
                history=alert_history.changes(connection, row.fingerprint),
                acts=alert_history.acts(connection, row.fingerprint, [one.id for one, _ in shown]),
                told=alert_history.told(connection, row.fingerprint),
                silences=_silences(about, ended, now),
                marks=_marks(about, ended, row, now),
            )

    def silences(
        self, *, state: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> SilencePage:
        rows, ended, now = self._periods(SILENCES)
        items = [silence_model(row, ended.get(row.seq), now) for row in rows]
        page, more = _page(items, state, limit, cursor)
        return SilencePage(items=page, next=more)

    def marks(
        self, *, state: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> MarkPage:
        rows, ended, now = self._periods(MARKS)
        items = [mark_model(row, ended.get(row.seq), now) for row in rows]
        page, more = _page(items, state, limit, cursor)
        return MarkPage(items=page, next=more)

    def acts(
        self,
        *,
        kind: str | None = None,
        author: str | None = None,
        alert: str | None = None,
        since: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> ActPage:
        conditions, parameters = ["true"], []
        for value, condition in (
            (kind, "kind = ?"),
            (author, "author = ?"),
            (alert, "alert = ?"),
            (since, "epoch_us(moment) >= ?"),
            (number("cursor", cursor), "seq < ?"),
        ):
            if value is not None:
                conditions.append(condition)
                parameters.append(value)
        clauses = f"WHERE {' AND '.join(conditions)} ORDER BY seq DESC LIMIT ?"
        with self._store.reader() as connection:
            rows = read_acts(connection, clauses, [*parameters, limit + 1])
        more = str(rows[limit - 1].seq) if len(rows) > limit else None
        return ActPage(items=[act_model(row) for row in rows[:limit]], next=more)

    def tally(self) -> Tally:
        with self._store.reader() as connection:
            return alert_history.tally(connection)

    def _periods(self, what: str) -> tuple[list[ActRow], dict[int, ActRow], int]:
        """The newest first."""
        with self._store.reader() as connection:
            rows = read_acts(connection, f"WHERE {what} OR {ENDS} ORDER BY seq")
        periods = [row for row in reversed(rows) if row.kind != "expire"]
        return periods, ends_early(rows), self._clock()

    def _item(self, row: AlertRow) -> AlertItem:
        return AlertItem(
            fingerprint=row.fingerprint,
            expectation=row.expectation,
            type=row.type,
            state=row.state,
            severity=row.severity,
            labels=labels_of(row.labels),
            since=format_time(row.since),
            began=format_time(row.began),
            count=row.count,
            flow=row.flow,
            oldest=moment(row.oldest),
            text=row.text,
            reason=row.reason,
            acknowledged=row.acknowledged,
            quiet=row.quiet,
            changed_at=format_time(row.moment),
            link=f"{self._link_base()}/alerts/{row.fingerprint}",
        )


def fields(row: AlertRow) -> dict[str, str]:
    """What matchers see of an alert."""
    return {
        **labels_of(row.labels),
        "severity": row.severity,
        "expectation": row.expectation,
        "type": row.type,
        "alert": row.fingerprint,
    }


def number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) >= 2**63:
        raise BadParameterError(name, "give the `next` of the page before, as it was")
    return int(text)


def _matchers(name: str, texts: Sequence[str]) -> tuple[Matcher, ...]:
    try:
        return parse_all(texts)
    except BadMatcherError as error:
        raise BadParameterError(name, str(error)) from error


def _silences(about: Sequence[ActRow], ended: dict[int, ActRow], now: int) -> list[Silence]:
    found = [silence_model(r, ended.get(r.seq), now) for r in about if r.kind == "silence"]
    return [silence for silence in found if silence.state != "over"]


def _marks(
    about: Sequence[ActRow], ended: dict[int, ActRow], alert: AlertRow, now: int
) -> list[Mark]:
    until = alert.since if alert.state == "resolved" else now
    found = []
    for row in about:
        end = ends_of(row, ended.get(row.seq))
        near = starts_of(row) <= until and (end is None or end >= alert.began - NEAR)
        if row.kind == "mark" and near:
            found.append(mark_model(row, ended.get(row.seq), now))
    return found


def _page(
    items: Sequence[Held], state: str | None, limit: int, cursor: str | None
) -> tuple[list[Held], str | None]:
    before = number("cursor", cursor) or LATEST
    wanted = [one for one in items if state in (None, one.state) and one.id < before]
    return wanted[:limit], str(wanted[limit - 1].id) if len(wanted) > limit else None
