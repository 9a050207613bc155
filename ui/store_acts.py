"""What people do, written into the store: checked and written in one transaction, then told on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb

from analyzer.alerts.alert import RESOLVED
from analyzer.alerts.matching import BadMatcherError, fits_anything, parse_all
from analyzer.alerts.quiet import acknowledged
from analyzer.alerts.reading import acts, alert_rows
from analyzer.alerts.rows import ActRow, AlertRow
from analyzer.alerts.stage import store_act
from analyzer.reading import findings
from collector.errors import StoreError
from collector.store.store import Store
from collector.times import US_PER_S, format_time
from ui.act_rows import act_model, mark_model, silence_model
from ui.acts import LONGEST_DAYS
from ui.alert_models import Act, Mark, MarkKind, Silence
from ui.errors import BadParameterError, NothingSuchError, NothingToDoError

Check = Callable[[duckdb.DuckDBPyConnection, int], ActRow]
LONGEST = LONGEST_DAYS * 86_400 * US_PER_S


@dataclass(frozen=True)
class Signature:
    """Who does something, and why."""

    author: str
    comment: str

    @classmethod
    def of(cls, author: str, comment: str) -> "Signature":
        if not author.strip():
            raise BadParameterError("author", "say who you are: it stands in the audit trail")
        return cls(author.strip(), comment.strip())


class StoreActs:
    """`clock` gives µs; `heard` is handed each act once it is stored."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        heard: Callable[[ActRow], None] = lambda act: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._heard = heard

    def acknowledge(self, alert: str, author: str, comment: str = "") -> Act:
        return self._about(alert, "acknowledge", Signature.of(author, comment))

    def take_back(self, alert: str, author: str, comment: str = "") -> Act:
        return self._about(alert, "take_back", Signature.of(author, comment))

    def close(self, alert: str, author: str, comment: str = "") -> Act:
        return self._about(alert, "close", Signature.of(author, comment))

    def close_finding(self, finding: str, author: str, comment: str = "") -> Act:
        who = Signature.of(author, comment)

        def check(connection: duckdb.DuckDBPyConnection, now: int) -> ActRow:
            found = findings(connection, "WHERE id = ?", [finding])
            if not found:
                raise NothingSuchError(f"no finding {finding!r}: `nonevent findings` lists them")
            row = found[0][0]
            if row.state != "open":
                raise NothingToDoError(f"finding {finding} is {row.state} already")
            return ActRow(0, "close", now, who.author, who.comment, finding=finding)

        return act_model(self._write(check))

    def silence(
        self,
        matchers: list[str],
        starts: int | None,
        ends: int | None,
        author: str,
        comment: str = "",
        *,
        confirm: bool = False,
    ) -> Silence:
        who = Signature.of(author, comment)
        _check_matchers(matchers, "a silence", confirm)

        def check(connection: duckdb.DuckDBPyConnection, now: int) -> ActRow:
            _check_period("a silence", starts, ends, now)
            return ActRow(
                0, "silence", now, who.author, who.comment, matchers=tuple(matchers),
                starts=starts, ends=ends,
            )  # fmt: skip

        stored = self._write(check)
        return silence_model(stored, None, stored.moment)

    def mark(
        self,
        what: MarkKind,
        matchers: list[str],
        starts: int | None,
        ends: int | None,
        author: str,
        comment: str = "",
        *,
        confirm: bool = False,
    ) -> Mark:
        who = Signature.of(author, comment)
        if what == "maintenance" or matchers:
            _check_matchers(matchers, what, confirm or what == "deploy")

        def check(connection: duckdb.DuckDBPyConnection, now: int) -> ActRow:
            if what == "maintenance":
                _check_period(what, starts, ends, now)
            elif ends is not None and ends <= (now if starts is None else starts):
                raise BadParameterError("until", "it ends before it begins")
            return ActRow(
                0, "mark", now, who.author, who.comment, matchers=tuple(matchers),
                starts=starts, ends=ends, what=what,
            )  # fmt: skip

        stored = self._write(check)
        return mark_model(stored, None, stored.moment)

    def expire(self, silence: int, author: str, comment: str = "") -> Act:
        return self._end("silence", silence, Signature.of(author, comment))

    def end_mark(self, mark: int, author: str, comment: str = "") -> Act:
        return self._end("mark", mark, Signature.of(author, comment))

    def _about(self, alert: str, kind: str, who: Signature) -> Act:
        def check(connection: duckdb.DuckDBPyConnection, now: int) -> ActRow:
            row = the_alert(connection, alert)
            name = f"alert {row.fingerprint} ({row.expectation})"
            if row.state == RESOLVED:
                raise NothingToDoError(f"{name} is resolved since {format_time(row.since)}")
            about = acts(connection, "WHERE alert = ? ORDER BY seq", [row.fingerprint])
            if kind == "take_back" and not acknowledged(about, row.fingerprint, row.began):
                raise NothingToDoError(f"{name} is acknowledged by nobody")
            return ActRow(0, kind, now, who.author, who.comment, alert=row.fingerprint)

        return act_model(self._write(check))

    def _end(self, kind: str, id: int, who: Signature) -> Act:
        def check(connection: duckdb.DuckDBPyConnection, now: int) -> ActRow:
            found = acts(connection, "WHERE (seq = ? AND kind = ?) OR of = ?", [id, kind, id])
            begun = next((act for act in found if act.seq == id), None)
            if begun is None:
                raise NothingSuchError(f"no {kind} {id}: `nonevent {kind} list` shows them")
            ended = next((act for act in found if act.of == id), None)
            if ended is not None:
                at = format_time(ended.moment)
                raise NothingToDoError(f"{kind} {id} was ended by {ended.author} at {at} already")
            if begun.ends is not None and begun.ends <= now:
                raise NothingToDoError(f"{kind} {id} is over since {format_time(begun.ends)}")
            return ActRow(0, "expire", now, who.author, who.comment, of=id)

        return act_model(self._write(check))

    def _write(self, check: Check) -> ActRow:
        """Nothing is written where `check` raises."""
        if self._store.full is not None:
            raise StoreError(f"nothing can be written: {self._store.full}")
        now = self._clock()
        job = self._store.submit(lambda connection: store_act(connection, check(connection, now)))
        stored: ActRow = job.result()
        self._heard(stored)
        return stored


def the_alert(cursor: duckdb.DuckDBPyConnection, fingerprint: str) -> AlertRow:
    """The one whose fingerprint this is, or begins so."""
    clauses = "WHERE starts_with(fingerprint, ?) ORDER BY fingerprint LIMIT 4"
    found = alert_rows(cursor, clauses, [fingerprint]) if fingerprint else []
    if not found:
        raise NothingSuchError(
            f"no alert {fingerprint!r}: `nonevent alerts` and the page of alerts list them"
        )
    exact = next((row for row in found if row.fingerprint == fingerprint), None)
    if exact is None and len(found) > 1:
        several = ", ".join(row.fingerprint for row in found[:3])
        raise BadParameterError(
            "alert", f"{fingerprint!r} begins several: {several}{', …' if len(found) > 3 else ''}"
        )
    return exact or found[0]


def _check_matchers(texts: Sequence[str], what: str, confirm: bool) -> None:
    try:
        matchers = parse_all(texts)
    except BadMatcherError as error:
        raise BadParameterError("matchers", str(error)) from error
    if fits_anything(matchers) and not confirm:
        raise BadParameterError(
            "matchers",
            f"{what} that fits every alert leaves nobody awake; narrow it (team=payments), or "
            "confirm it: `confirm: true`, --yes",
        )


def _check_period(what: str, starts: int | None, ends: int | None, now: int) -> None:
    if ends is None:
        raise BadParameterError("until", f"{what} needs an end: give `until`, or `for` such as 2h")
    begins = now if starts is None else starts
    if ends <= begins:
        raise BadParameterError("until", f"it ends before it begins ({format_time(begins)})")
    if ends <= now:
        raise BadParameterError("until", f"{format_time(ends)} is over already")
    if ends - max(begins, now) > LONGEST:
        raise BadParameterError(
            "until", f"{what} lasts {LONGEST_DAYS} d at most; one that is for good is `mute_times`"
        )
